import { CarillonError, type ErrorCode } from "../errors.js";
import type { Source } from "./publisher.js";

/** Counts failed publishes, for the metrics. */
export class PublishFailures {
  readonly #counts: Readonly<Record<Source["kind"], Map<ErrorCode, number>>> = {
    backend: new Map(),
    client: new Map(),
  };

  count(source: Source["kind"], cause: unknown): void {
    const { code } = CarillonError.from(cause);
    const counts = this.#counts[source];
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }

  *all(): Generator<{ readonly source: Source["kind"]; readonly code: ErrorCode; readonly count: number }> {
    for (const source of ["backend", "client"] as const) {
      for (const [code, count] of this.#counts[source]) yield { source, code, count };
    }
  }
}
