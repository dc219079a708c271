import { CarillonError, type ErrorCode } from "../errors.js";
import type { Source } from "./publisher.js";

/** Publishes that failed, as plain numbers that are read when somebody asks for metrics. */
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
