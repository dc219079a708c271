import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { CarillonError } from "../../errors.js";
import { BackendClient } from "../../outbound/backend/backend-client.js";
import { EXIT, fail, toExitCode } from "../exit-code.js";
import { type BackendFlags, type ClientFlags, toWebSocketUrl } from "../node-options.js";
import { note } from "../terminal/note.js";
import { printJson } from "../terminal/print.js";
import { ProgressBar } from "../terminal/progress-bar.js";
import { type BenchResult, formatBenchResult, summarize } from "./bench-result.js";
import { checkOpenFiles, explainConnectFailure } from "./connect-limits.js";
import { PacedPublisher } from "./paced-publisher.js";
import { Receivers } from "./receivers.js";

export interface BenchFlags extends BackendFlags, ClientFlags {
  readonly clients: number;
  /** Messages per second. */
  readonly rate: number;
  /** In milliseconds. */
  readonly duration: number;
  /** In bytes. */
  readonly size: number;
  readonly topics: number;
  readonly topic?: string;
  readonly publishers: number;
  readonly connectRate?: number;
  readonly threads: number;
  readonly clientsAt?: readonly string[];
  readonly from?: readonly string[];
  readonly brokerName?: string;
  readonly json?: true;
}

/** Milliseconds without a message after which missing ones are lost; less after an interruption. */
const PATIENCE = 5_000;
const INTERRUPTED_PATIENCE = 500;

/** Milliseconds until the clients are closed. */
const CLOSE_PATIENCE = 5_000;

const TICK = 100;

/** Exit code of a program that SIGINT has ended. */
const INTERRUPTED = 130;

/** Loads a node and prints what was measured. The first SIGINT ends it with a partial result, the second one at once. */
export async function benchCommand(flags: BenchFlags): Promise<void> {
  const interrupt = new AbortController();
  const onSignal = (): void => {
    if (interrupt.signal.aborted) process.exit(INTERRUPTED);
    interrupt.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  const bench = new Bench(flags, interrupt.signal);
  try {
    const result = await bench.run();
    if (flags.json === true) printJson(result);
    else process.stdout.write(formatBenchResult(result));
    const { duplicated, lost, misordered } = result.delivered;
    if (lost + duplicated + misordered + result.published.failed > 0) process.exitCode = EXIT.failed;
  } catch (error) {
    const isUsage = error instanceof CarillonError && error.code === "invalid_argument" && !bench.hasStarted;
    fail(error, isUsage ? EXIT.usage : toExitCode(error));
  } finally {
    await bench.close();
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}

class Bench {
  hasStarted = false;
  readonly #flags: BenchFlags;
  readonly #signal: AbortSignal;
  readonly #bar = new ProgressBar();
  readonly #backends: BackendClient[] = [];
  #receivers: Receivers | undefined;
  #busy = 0;

  constructor(flags: BenchFlags, signal: AbortSignal) {
    this.#flags = flags;
    this.#signal = signal;
  }

  /** @throws CarillonError the clients cannot connect, or nothing can be published */
  async run(): Promise<BenchResult> {
    const { clients, duration, publishers: count, rate, size, topics: topicCount } = this.#flags;
    const prefix = this.#flags.topic ?? `bench.${randomBytes(4).toString("hex")}`;
    const topics = Array.from({ length: topicCount }, (_, index) => `${prefix}.${index}`);
    const plan = this.#createPlan(topics);
    checkOpenFiles(clients, count);
    this.hasStarted = true;

    const connectBegin = performance.now();
    const receivers = new Receivers(plan, Math.min(this.#flags.threads, clients));
    this.#receivers = receivers;
    await this.#connect(receivers);
    const connectSeconds = (performance.now() - connectBegin) / 1_000;

    const total = Math.max(1, Math.round((rate * duration) / 1_000));
    const publishers = Array.from({ length: count }, (_, publisher) => {
      // The first publishers have the remainder.
      const share = Math.floor(total / count) + (publisher < total % count ? 1 : 0);
      return new PacedPublisher({
        client: this.#createBackend(),
        publisher,
        topics,
        broker: this.#flags.brokerName,
        rate: rate / count,
        total: share,
        bytes: size,
      });
    });
    const publishBegin = performance.now();
    await this.#publish(publishers, receivers);
    const publishSeconds = (performance.now() - publishBegin) / 1_000;
    const deliveries = countDeliveries(publishers, receivers.counts.connected, topicCount);
    await this.#settle(receivers, deliveries.expected);
    // Repeated messages may follow the last one.
    await new Promise((resolve) => setTimeout(resolve, 2 * TICK));
    const deliverSeconds = (performance.now() - publishBegin) / 1_000;
    this.#bar.clear();

    const { closed, connected, duplicated, misordered, received, retried } = receivers.counts;
    const sent = publishers.reduce((sum, publisher) => sum + publisher.sent, 0);
    const failed = publishers.reduce((sum, publisher) => sum + publisher.failed, 0);
    const failure = publishers.find((publisher) => publisher.failure !== undefined)?.failure;
    if (failed === sent && failure !== undefined) throw failure;
    if (failure !== undefined) note(`messages were not confirmed: ${failure.message}`);
    return {
      clients: {
        connected,
        seconds: round(connectSeconds),
        perSecond: round(connected / connectSeconds),
        retried,
        closed,
      },
      published: {
        messages: sent,
        failed,
        bytes: size,
        topics: topicCount,
        seconds: round(publishSeconds),
        perSecond: round(sent / publishSeconds),
      },
      delivered: {
        messages: received + duplicated,
        perSecond: round((received + duplicated) / deliverSeconds),
        // Deliveries of unconfirmed messages may be missing or not.
        lost: Math.max(0, deliveries.expected - received - deliveries.unconfirmed),
        duplicated,
        misordered,
      },
      latencyMs: summarize(receivers.latencies),
      confirmationMs: summarize(publishers.map(({ confirmation }) => confirmation)),
      busy: round(this.#busy),
      interrupted: this.#signal.aborted,
    };
  }

  async close(): Promise<void> {
    this.#bar.clear();
    for (const backend of this.#backends) backend.close();
    await this.#receivers?.close(CLOSE_PATIENCE);
  }

  #createPlan(topics: readonly string[]) {
    const {
      brokerName: broker,
      ca,
      clients,
      clientsAt,
      connectRate,
      from = [],
      publishers,
      threads,
      token,
    } = this.#flags;
    const { server, vhost } = this.#flags;
    const urls = (clientsAt ?? [server]).map((address) => toWebSocketUrl({ server: address, vhost }));
    const perThread = (connectRate ?? Number.POSITIVE_INFINITY) / threads;
    const authority = ca === undefined ? undefined : readFileSync(ca);
    return { urls, from, token, ca: authority, broker, topics, clients, connectRate: perThread, publishers };
  }

  #createBackend(): BackendClient {
    const { ca, key, server, vhost } = this.#flags;
    const backend = new BackendClient({ url: server, key, vhost, ca: ca === undefined ? undefined : readFileSync(ca) });
    this.#backends.push(backend);
    return backend;
  }

  async #connect(receivers: Receivers): Promise<void> {
    const { clients } = this.#flags;
    const begin = performance.now();
    const stop = this.#watch(() => {
      const { connected } = receivers.counts;
      const rate = connected / ((performance.now() - begin) / 1_000);
      this.#bar.show("connecting", connected / clients, `${connected} of ${clients}, ${rate.toFixed(0)}/s`);
    });
    try {
      await Promise.race([receivers.connected(), aborted(this.#signal)]);
    } catch (error) {
      throw explainConnectFailure(CarillonError.from(error), receivers.counts.connected, clients);
    } finally {
      stop();
    }
  }

  async #publish(publishers: readonly PacedPublisher[], receivers: Receivers): Promise<void> {
    const { duration, rate } = this.#flags;
    const total = (rate * duration) / 1_000;
    const before = performance.eventLoopUtilization();
    const begin = performance.now();
    let busy = 0;
    let ticks = 0;
    const stop = this.#watch(() => {
      const sent = publishers.reduce((sum, publisher) => sum + publisher.sent, 0);
      const seconds = (performance.now() - begin) / 1_000;
      const times = summarize(receivers.latencies);
      const p99 = times === null ? "" : `, p99 ${times.p99} ms`;
      busy += receivers.counts.busy;
      ticks += 1;
      this.#bar.show("publishing", sent / total, `${seconds.toFixed(0)} s, ${(sent / seconds).toFixed(0)}/s${p99}`);
    });
    const refused = new AbortController();
    const cancel = (): void => {
      refused.abort();
    };
    this.#signal.addEventListener("abort", cancel);
    if (this.#signal.aborted) cancel();
    try {
      await Promise.all(publishers.map((publisher) => publisher.run(refused.signal)));
    } finally {
      cancel();
      stop();
      this.#signal.removeEventListener("abort", cancel);
      const own = performance.eventLoopUtilization(before).utilization;
      this.#busy = Math.max(own, ticks === 0 ? 0 : busy / ticks);
    }
  }

  /** Waits until all messages have arrived, or no more arrive. */
  async #settle(receivers: Receivers, expected: number): Promise<void> {
    let last = -1;
    let lastProgress = performance.now();
    for (;;) {
      const { closed, connected, received } = receivers.counts;
      if (received !== last) lastProgress = performance.now();
      last = received;
      const gone = Object.values(closed).reduce((sum, count) => sum + count, 0);
      const patience = this.#signal.aborted ? INTERRUPTED_PATIENCE : PATIENCE;
      if (received >= expected || gone >= connected || performance.now() - lastProgress > patience) return;
      this.#bar.show("receiving", received / expected, `${expected - received} messages left`);
      await new Promise((resolve) => setTimeout(resolve, TICK));
    }
  }

  #watch(show: () => void): () => void {
    show();
    const timer = setInterval(show, TICK);
    return () => {
      clearInterval(timer);
    };
  }
}

/** Resolves when the signal aborts. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });
}

/** Counts how many messages all clients together should receive, and at most how many of these were not confirmed. */
function countDeliveries(publishers: readonly PacedPublisher[], clients: number, topics: number) {
  let expected = 0;
  let unconfirmed = 0;
  for (const { failed, sent } of publishers) {
    const rest = sent % topics;
    // Each of the first `rest` topics has one message more, and each of the first `clients % topics` one client more.
    const perTopic = Math.floor(sent / topics);
    const members = Math.floor(clients / topics);
    const more = clients % topics;
    expected += perTopic * clients + rest * members + Math.min(rest, more);
    unconfirmed += failed * Math.ceil(clients / topics);
  }
  return { expected, unconfirmed };
}

function round(value: number): number {
  return Number.isFinite(value) ? Math.round(value * 1_000) / 1_000 : 0;
}
