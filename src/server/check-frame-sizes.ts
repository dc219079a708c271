import type { Config } from "../config/schema.js";
import { RootsocketDialect } from "../dialects/rootsocket/dialect.js";
import { CarillonError } from "../errors.js";

/** Part of `limits.receiving` that one client without a key may hold. */
const CLIENT_PART = 1 / 4;

/**
 * Checks that the largest frames of dialects with limits of their own fit in the node's budget.
 * @throws CarillonError invalid_argument: such a frame could never be received
 */
export function checkFrameSizes({ dialects, limits }: Pick<Config, "dialects" | "limits">): void {
  if (!dialects.includes("rootsocket")) return;
  const frameBytes = new RootsocketDialect().frameBytes(limits.frame);
  const least = frameBytes / CLIENT_PART;
  if (limits.receiving >= least) return;
  const text = `limits.receiving: expected at least ${least} bytes, as rootsocket has frames of ${frameBytes} bytes`;
  throw new CarillonError("invalid_argument", text);
}
