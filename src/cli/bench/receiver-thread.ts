import { createHistogram, performance } from "node:perf_hooks";
import { parentPort, workerData } from "node:worker_threads";
import { CarillonError } from "../../errors.js";
import { connectLoadClient, type LoadClient } from "../../outbound/load-client.js";
import { errorCode } from "../../util/native-error.js";
import { sleep } from "../sleep.js";
import type { ReceiverOrder, ReceiverPlan, ReceiverReport } from "./receiver-messages.js";
import { SequenceTracker } from "./sequence-tracker.js";
import { now, readStamp } from "./stamp.js";

/** Clients that connect at the same time. */
const CONCURRENCY = 64;

/** Milliseconds between two reports of the counts. */
const REPORT_INTERVAL = 100;

/** Milliseconds without any success after which connecting fails. */
const PATIENCE = 30_000;

/** Milliseconds before another attempt, if the server names none. */
const RETRY_DELAY = 500;

/** Highest time that the histogram can hold, in microseconds. */
const LONGEST = 3_600_000_000;

/** Maximum number of reasons of closed connections that are counted apart. */
const MAX_REASONS = 20;

/** Connects the clients of a thread and counts what they receive. */
class Receiver {
  readonly #plan: ReceiverPlan;
  readonly #latency = createHistogram({ lowest: 1, highest: LONGEST, figures: 3 });
  readonly #tracker: SequenceTracker;
  readonly #clients: LoadClient[] = [];
  readonly #closed = new Map<string, number>();
  readonly #begin = performance.now();
  #connected = 0;
  #retried = 0;
  #received = 0;
  #duplicated = 0;
  #misordered = 0;
  #open = 0;
  #isClosing = false;
  #lastSuccess = performance.now();
  #utilization = performance.eventLoopUtilization();

  constructor(plan: ReceiverPlan) {
    this.#plan = plan;
    this.#tracker = new SequenceTracker(Math.ceil(plan.clients / plan.step) * plan.publishers);
  }

  async run(): Promise<void> {
    report({ kind: "started", latency: this.#latency });
    const timer = setInterval(() => {
      this.#reportCounts();
    }, REPORT_INTERVAL);
    parentPort?.once("message", (_order: ReceiverOrder) => {
      this.#close(timer);
    });
    try {
      const { clients, first, step } = this.#plan;
      const count = Math.max(0, Math.ceil((clients - first) / step));
      let next = 0;
      const connectSome = async (): Promise<void> => {
        while (next < count && !this.#isClosing) {
          const index = next;
          next += 1;
          await this.#connect(index);
        }
      };
      await Promise.all(Array.from({ length: CONCURRENCY }, connectSome));
      this.#reportCounts();
      report({ kind: "connected" });
    } catch (error) {
      const { code, message, cause } = CarillonError.from(error);
      report({ kind: "failed", code, message, system: errorCode(cause) });
    }
  }

  /** Connects a client, and tries again while the server refuses it for now. @throws CarillonError */
  async #connect(index: number): Promise<void> {
    const { broker, ca, connectRate, first, from, publishers, step, token, topics, urls } = this.#plan;
    const client = first + index * step;
    const options = {
      url: urls[client % urls.length] ?? "",
      topic: topics[client % topics.length] ?? "",
      broker,
      token,
      ca,
      localAddress: from.length === 0 ? undefined : from[client % from.length],
    };
    const events = {
      onPayload: (payload: string) => {
        this.#receive(payload, index * publishers);
      },
      onClosed: (code: number, reason: string) => {
        this.#onClosed(`${code} ${reason}`.trim());
      },
    };
    await sleep(this.#begin + (index / connectRate) * 1_000 - performance.now());
    while (!this.#isClosing) {
      try {
        this.#clients.push(await connectLoadClient(options, events));
        this.#connected += 1;
        this.#open += 1;
        this.#lastSuccess = performance.now();
        return;
      } catch (error) {
        const { code, retryDelay } = CarillonError.from(error);
        const isRefusedForNow = code === "unavailable" && (this.#connected > 0 || retryDelay !== undefined);
        if (!isRefusedForNow || performance.now() - this.#lastSuccess > PATIENCE) throw error;
        this.#retried += 1;
        await sleep((retryDelay ?? RETRY_DELAY) * (1 + Math.random()));
      }
    }
  }

  #receive(payload: string, sequences: number): void {
    const stamp = readStamp(payload);
    if (stamp === undefined || stamp.publisher >= this.#plan.publishers) return;
    const arrival = this.#tracker.add(sequences + stamp.publisher, stamp.sequence);
    if (arrival === "duplicate") {
      this.#duplicated += 1;
      return;
    }
    if (arrival === "misordered") this.#misordered += 1;
    this.#received += 1;
    this.#latency.record(Math.min(LONGEST, Math.max(1, now() - stamp.due)));
  }

  #onClosed(reason: string): void {
    this.#open -= 1;
    if (this.#isClosing) {
      this.#reportClosed();
      return;
    }
    const key = this.#closed.has(reason) || this.#closed.size < MAX_REASONS ? reason : "other";
    this.#closed.set(key, (this.#closed.get(key) ?? 0) + 1);
  }

  #close(timer: NodeJS.Timeout): void {
    clearInterval(timer);
    this.#reportCounts();
    this.#isClosing = true;
    for (const client of this.#clients) client.close();
    this.#reportClosed();
  }

  #reportClosed(): void {
    if (this.#open === 0) report({ kind: "closed" });
  }

  #reportCounts(): void {
    const before = this.#utilization;
    this.#utilization = performance.eventLoopUtilization();
    report({
      kind: "counts",
      counts: {
        connected: this.#connected,
        retried: this.#retried,
        received: this.#received,
        duplicated: this.#duplicated,
        misordered: this.#misordered,
        closed: Object.fromEntries(this.#closed),
        busy: performance.eventLoopUtilization(this.#utilization, before).utilization,
      },
    });
  }
}

function report(message: ReceiverReport): void {
  parentPort?.postMessage(message, []);
}

await new Receiver(workerData as ReceiverPlan).run();
