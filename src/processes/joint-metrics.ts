import type { Clock } from "../core/ports.js";
import {
  aggregateMetrics,
  type CollectedMetrics,
  countRestarts,
  sumMetrics,
  type WrittenMetrics,
} from "../observe/metrics.js";
import { ignore } from "../util/ignore.js";
import { withResolvers } from "../util/with-resolvers.js";

/** Time that a process has to report its metrics, in milliseconds. Its last ones replace those that come later. */
const TIMEOUT = 5_000;
/** Types of metrics that only grow. */
const TOTALS: ReadonlySet<string> = new Set(["counter", "histogram"]);

/** A process whose metrics are part of the sum. */
export interface MeasuredProcess {
  readonly number: number;
  /** Asks for its metrics; undefined while there is no process with this number. @throws CarillonError: it has ended */
  readonly collect: (() => Promise<CollectedMetrics>) | undefined;
}

/**
 * The metrics of all processes together. Counters and histograms never become smaller, because Prometheus would take that for
 * a restart: those of a process that has ended remain in the sum, apart from what it counted after the last request.
 */
export class JointMetrics {
  readonly #clock: Clock;
  /** Last metrics of each process. */
  readonly #last = new Map<number, CollectedMetrics>();
  /** Sum of the counters and histograms of ended processes. */
  #ended: CollectedMetrics = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Writes them in Prometheus' text format. @param restarts - number of replaced processes */
  async write(processes: readonly MeasuredProcess[], restarts: number): Promise<WrittenMetrics> {
    await Promise.all(processes.map((process) => this.#update(process)));
    return aggregateMetrics([...this.#last.values(), this.#ended, countRestarts(restarts)]);
  }

  /** Keeps the counters and histograms of a process that has ended. */
  end(number: number): void {
    const last = this.#last.get(number) ?? [];
    this.#last.delete(number);
    this.#ended = sumMetrics([this.#ended, last.filter(({ type }) => TOTALS.has(String(type)))]);
  }

  /** Resolves when the process has answered, has ended, or is late. */
  async #update({ collect, number }: MeasuredProcess): Promise<void> {
    const { promise: late, resolve } = withResolvers<void>();
    const cancel = this.#clock.after(TIMEOUT, () => {
      resolve();
    });
    const answered = collect?.().then((metrics) => {
      this.#last.set(number, metrics);
    }, ignore);
    await Promise.race([answered, late]);
    cancel();
  }
}
