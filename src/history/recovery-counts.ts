import type { RecoveryFailure } from "../core/history.js";

/** Counts recoveries by result, for the metrics. */
export class RecoveryCounts {
  readonly #counts = new Map<RecoveryFailure | "recovered", number>();

  /** @param failure - undefined for a complete recovery */
  count(failure: RecoveryFailure | undefined): void {
    const result = failure ?? "recovered";
    this.#counts.set(result, (this.#counts.get(result) ?? 0) + 1);
  }

  get all(): ReadonlyMap<RecoveryFailure | "recovered", number> {
    return this.#counts;
  }
}
