import cluster, { type Worker } from "node:cluster";
import type { Clock } from "../core/ports.js";
import type { Logger } from "../observe/log.js";
import { aggregateMetrics, type CollectedMetrics, countRestarts, type WrittenMetrics } from "../observe/metrics.js";
import { ignore } from "../util/ignore.js";
import { withResolvers } from "../util/with-resolvers.js";
import { Channel } from "./channel.js";
import { LivenessCheck } from "./liveness-check.js";
import { FROM_PRIMARY, FROM_WORKER, type ProcessStart, type ProcessState } from "./messages.js";
import { RestartDelays } from "./restart-delays.js";

/** Time that a process has to report its metrics, in milliseconds. Those of a process that needs longer are missing. */
const COLLECT_TIMEOUT = 5_000;

/** Settings that were changed by a reload. */
export interface ProcessReload {
  readonly changed: readonly string[];
  readonly restart: readonly string[];
}

export interface PrimaryOptions {
  readonly count: number;
  readonly log: Logger;
  readonly clock: Clock;
  /** Folder for the sockets between the processes. */
  readonly folder: string;
  readonly broker: string | undefined;
  /** Addresses of the ports, HOST:PORT, not port 0. */
  readonly http: string;
  readonly grpc: string;
  /** @throws CarillonError: an invalid configuration, which no process reads */
  readonly checkConfig: () => void;
}

export interface StartedProcesses {
  /** URL of the HTTP port. */
  readonly http: string;
  readonly requiresKeys: boolean;
}

interface Slot {
  readonly number: number;
  readonly delays: RestartDelays;
  worker: Worker | undefined;
  channel: Channel | undefined;
  state: ProcessState;
}

/** The first process has ended before it listened, and has printed the reason. */
export class StartFailure extends Error {
  constructor(readonly exitCode: number | null) {
    super("the process ended before it listened");
  }
}

const STARTING: ProcessState = { reasons: ["starting"], addresses: undefined, requiresKeys: true };

/**
 * Starts worker processes, each of which is a node, behind the same ports. Replaces those that end unexpectedly or no longer
 * answer, and answers for all of them: readiness, metrics and reloads.
 */
export class Primary {
  readonly #options: PrimaryOptions;
  readonly #slots: readonly Slot[];
  readonly #started = withResolvers<StartedProcesses>();
  readonly #ended = withResolvers<void>();
  #stopping = false;
  #announced = false;
  #restarts = 0;
  #reloading: Promise<unknown> = Promise.resolve();

  constructor(options: PrimaryOptions) {
    const { clock, count } = options;
    this.#options = options;
    this.#slots = Array.from({ length: count }, (_, index) => ({
      number: index + 1,
      delays: new RestartDelays(clock),
      worker: undefined,
      channel: undefined,
      state: STARTING,
    }));
    this.#started.promise.catch(ignore);
  }

  /**
   * Starts the first process, and the others when it listens, so that an error of the start occurs once. Resolves when the
   * first one listens.
   * @throws StartFailure
   */
  start(): Promise<StartedProcesses> {
    const [first] = this.#slots;
    if (first !== undefined) this.#fork(first);
    return this.#started.promise;
  }

  /** Has all processes drain and stop. Resolves when they have ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const { delays, channel } of this.#slots) {
      delays.cancel();
      channel?.tell(FROM_PRIMARY.stop);
    }
    this.#checkEnded();
    await this.#ended.promise;
  }

  /** Ends all processes at once. */
  kill(): void {
    this.#stopping = true;
    for (const { worker } of this.#slots) worker?.process.kill("SIGKILL");
  }

  /**
   * Has all processes read their configuration again, one after the other. Reloads do not overlap.
   * @throws CarillonError of the first process that refuses it; nothing has changed
   */
  reload(): Promise<ProcessReload> {
    const reloaded = this.#reloadAfter(this.#reloading);
    this.#reloading = reloaded.catch(ignore);
    return reloaded;
  }

  async #reloadAfter(before: Promise<unknown>): Promise<ProcessReload> {
    await before;
    this.#options.checkConfig();
    const changed = new Set<string>();
    const restart = new Set<string>();
    for (const { channel } of this.#slots) {
      const report = await channel?.ask<ProcessReload>(FROM_PRIMARY.reload);
      for (const path of report?.changed ?? []) changed.add(path);
      for (const path of report?.restart ?? []) restart.add(path);
    }
    return { changed: [...changed], restart: [...restart] };
  }

  /** Lists why the processes together are not ready: at least half of them must be. */
  #readiness(): readonly string[] {
    if (this.#stopping) return ["stopping"];
    const needed = Math.ceil(this.#slots.length / 2);
    const ready = this.#slots.filter(({ state }) => state.reasons.length === 0).length;
    if (ready >= needed) return [];
    const reasons = new Set(this.#slots.flatMap(({ state }) => state.reasons));
    return [`${ready} of ${this.#slots.length} processes are ready, at least ${needed} must be`, ...reasons];
  }

  async #metrics(): Promise<WrittenMetrics> {
    const collected = await Promise.all(this.#slots.map(({ channel }) => this.#collect(channel)));
    const answers = collected.flatMap((metrics) => (metrics === undefined ? [] : [metrics]));
    return aggregateMetrics([...answers, countRestarts(this.#restarts)]);
  }

  async #collect(channel: Channel | undefined): Promise<CollectedMetrics | undefined> {
    const { promise: late, resolve } = withResolvers<undefined>();
    const cancel = this.#options.clock.after(COLLECT_TIMEOUT, () => {
      resolve(undefined);
    });
    const answer = channel?.ask<CollectedMetrics>(FROM_PRIMARY.collect).catch(ignoreEnded);
    const metrics = await Promise.race([answer, late]);
    cancel();
    return metrics;
  }

  #fork(slot: Slot): void {
    const { broker, clock, folder, grpc, http, log } = this.#options;
    const worker = cluster.fork();
    closeLostConnection(worker);
    slot.worker = worker;
    slot.delays.begin();
    const channel = new Channel(worker, {
      [FROM_WORKER.start]: (): ProcessStart => ({
        number: slot.number,
        count: this.#slots.length,
        folder,
        http,
        grpc,
        broker,
      }),
      [FROM_WORKER.state]: (state: ProcessState) => {
        liveness.start();
        this.#changeState(slot, state);
      },
      [FROM_WORKER.readiness]: () => this.#readiness(),
      [FROM_WORKER.metrics]: () => this.#metrics(),
      [FROM_WORKER.reload]: () => this.reload(),
    });
    const liveness = new LivenessCheck(
      clock,
      () => channel.ask(FROM_PRIMARY.live),
      () => {
        log.error({ process: slot.number }, "a process does not answer, ending it");
        worker.process.kill("SIGKILL");
      },
    );
    slot.channel = channel;
    worker.on("error", ignore);
    worker.on("exit", (code: number | null, signal: string | null) => {
      channel.close();
      liveness.stop();
      slot.worker = undefined;
      slot.channel = undefined;
      this.#afterExit(slot, { code, signal });
    });
  }

  #changeState(slot: Slot, state: ProcessState): void {
    const isFirst = this.#slots.every(({ state: { addresses } }) => addresses === undefined);
    slot.state = state;
    if (state.addresses === undefined) return;
    if (isFirst) {
      this.#started.resolve({ http: state.addresses.http, requiresKeys: state.requiresKeys });
      for (const other of this.#slots) if (other !== slot && !this.#stopping) this.#fork(other);
    }
    if (this.#announced || this.#slots.some(({ state: { reasons } }) => reasons.length > 0)) return;
    this.#announced = true;
    this.#options.log.info({ ...state.addresses, processes: this.#slots.length }, "ready");
  }

  #afterExit(slot: Slot, { code, signal }: { readonly code: number | null; readonly signal: string | null }): void {
    const { log } = this.#options;
    const wasListening = this.#slots.some(({ state: { addresses } }) => addresses !== undefined);
    slot.state = { ...STARTING, addresses: slot.state.addresses };
    if (this.#stopping) {
      this.#checkEnded();
    } else if (wasListening) {
      const delay = slot.delays.next();
      log.error({ process: slot.number, code, signal, delay }, "a process ended unexpectedly, starting another one");
      this.#restarts += 1;
      slot.delays.wait(delay, () => {
        this.#fork(slot);
      });
    } else {
      this.#started.reject(new StartFailure(code));
    }
  }

  #checkEnded(): void {
    if (this.#slots.every(({ worker }) => worker === undefined)) this.#ended.resolve();
  }
}

function ignoreEnded(): undefined {
  return undefined;
}

/**
 * Closes the connection that was on its way to a worker process when that ended. Node.js hands over one connection at a time,
 * and forgets one that the process did not take: its client would wait forever.
 */
function closeLostConnection(worker: Worker): void {
  const { process } = worker;
  const send = process.send.bind(process) as (...args: unknown[]) => boolean;
  let last: { readonly close: () => void } | null | undefined;
  process.send = (...args: unknown[]): boolean => {
    const handle = args[1] as typeof last;
    last = handle ?? last;
    return send(...args);
  };
  // A connection that the process has taken is closed here already, which makes this a second close without effect.
  worker.on("exit", () => last?.close());
}
