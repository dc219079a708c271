import type { RecordableHistogram } from "node:perf_hooks";
import { Worker } from "node:worker_threads";
import { CarillonError } from "../../errors.js";
import type { ReceiverCounts, ReceiverPlan, ReceiverReport } from "./receiver-messages.js";

const NONE: ReceiverCounts = {
  connected: 0,
  retried: 0,
  received: 0,
  duplicated: 0,
  misordered: 0,
  closed: {},
  busy: 0,
};

/** Clients of a load test, in threads of their own. */
export class Receivers {
  readonly #threads: readonly ReceiverHandle[];

  /** Starts the threads, which connect the clients. */
  constructor(plan: Omit<ReceiverPlan, "first" | "step">, threads: number) {
    this.#threads = Array.from(
      { length: threads },
      (_, first) => new ReceiverHandle({ ...plan, first, step: threads }),
    );
  }

  /** Resolves when all clients have joined. @throws CarillonError the first failure */
  async connected(): Promise<void> {
    await Promise.all(this.#threads.map(({ connected }) => connected));
  }

  /** Counts of all threads; `busy` of the busiest. */
  get counts(): ReceiverCounts {
    return this.#threads.map(({ counts }) => counts).reduce(addCounts, NONE);
  }

  /** Histograms of the threads: microseconds from due to received. */
  get latencies(): readonly RecordableHistogram[] {
    return this.#threads.flatMap(({ latency }) => latency ?? []);
  }

  /** Closes all clients. @param patience - milliseconds after which threads are ended anyhow */
  async close(patience: number): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close(patience)));
  }
}

/** The command's side of one thread. */
class ReceiverHandle {
  counts = NONE;
  latency: RecordableHistogram | undefined;
  readonly connected: Promise<void>;
  readonly #worker: Worker;
  readonly #closed: Promise<void>;

  constructor(plan: ReceiverPlan) {
    this.#worker = new Worker(new URL("./receiver-thread.js", import.meta.url), { workerData: plan });
    this.connected = new Promise((resolve, reject) => {
      this.#worker.on("error", reject);
      this.#worker.on("message", (message: ReceiverReport) => {
        if (message.kind === "started") this.latency = message.latency;
        else if (message.kind === "counts") this.counts = message.counts;
        else if (message.kind === "connected") resolve();
        else if (message.kind === "failed")
          reject(new CarillonError(message.code, message.message, { cause: message.system }));
      });
    });
    // The command may fail or be interrupted before it waits.
    this.connected.catch(() => {});
    this.#closed = new Promise((resolve) => {
      this.#worker.on("message", ({ kind }: ReceiverReport) => {
        if (kind === "closed") resolve();
      });
      this.#worker.once("exit", () => resolve());
    });
  }

  async close(patience: number): Promise<void> {
    this.#worker.postMessage("close", []);
    const timer = setTimeout(() => void this.#worker.terminate(), patience);
    await this.#closed;
    clearTimeout(timer);
    await this.#worker.terminate();
  }
}

function addCounts(one: ReceiverCounts, other: ReceiverCounts): ReceiverCounts {
  const closed = { ...one.closed };
  for (const [reason, count] of Object.entries(other.closed)) closed[reason] = (closed[reason] ?? 0) + count;
  return {
    connected: one.connected + other.connected,
    retried: one.retried + other.retried,
    received: one.received + other.received,
    duplicated: one.duplicated + other.duplicated,
    misordered: one.misordered + other.misordered,
    closed,
    busy: Math.max(one.busy, other.busy),
  };
}
