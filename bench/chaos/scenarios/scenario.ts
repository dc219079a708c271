import type { ChaosResult } from "../parts/compare-with-store.js";
import type { ChaosSize } from "../parts/world.js";

/** Scenario of the fault suite. */
export interface Scenario {
  readonly name: string;
  /** Faults that it injects, in a few words. */
  readonly what: string;
  readonly run: (size: ChaosSize) => Promise<ChaosResult>;
}
