import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** What the scripts keep between runs; git ignores it, and `npm ci` leaves it alone. */
export const cache = join(root, ".cache");

export const inRoot = (...parts) => join(root, ...parts);
