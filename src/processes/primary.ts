import cluster, { type Worker } from "node:cluster";
import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import type { Logger } from "../observe/log.js";
import type { CollectedMetrics, WrittenMetrics } from "../observe/metrics.js";
import { ignore } from "../util/ignore.js";
import { errorText } from "../util/native-error.js";
import { withResolvers } from "../util/with-resolvers.js";
import { Channel } from "./channel.js";
import { JointMetrics } from "./joint-metrics.js";
import { LivenessCheck } from "./liveness-check.js";
import { FROM_NODE, FROM_PRIMARY, type ProcessStart, type ProcessState } from "./messages.js";
import { RestartDelays } from "./restart-delays.js";

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

type ProcessExit = { readonly code: number | null; readonly signal: string | null } | { readonly reason: string };

interface Slot {
  readonly number: number;
  readonly delays: RestartDelays;
  child: Worker | undefined;
  /** Undefined until the process has asked for its start facts: what is sent earlier is lost. */
  channel: Channel | undefined;
  state: ProcessState;
}

/** The first process has ended before it listened, or was not started. The reason is on stderr or in the log. */
export class StartFailure extends Error {
  constructor(readonly exitCode: number | null) {
    super("the process ended before it listened");
  }
}

/** Longest interval of a timer, in milliseconds. */
const MAX_INTERVAL = 2 ** 31 - 1;

const STARTING: ProcessState = { reasons: ["starting"], addresses: undefined, requiresKeys: true };

/**
 * Starts child processes, each of which is a node, behind the same ports. Replaces those that end unexpectedly or no longer
 * answer, and answers for all of them: readiness, metrics and reloads.
 */
export class Primary {
  readonly #options: PrimaryOptions;
  readonly #slots: readonly Slot[];
  readonly #metrics: JointMetrics;
  readonly #started = withResolvers<StartedProcesses>();
  readonly #ended = withResolvers<void>();
  #stopping = false;
  #announced = false;
  #restarts = 0;
  #reloading: Promise<unknown> = Promise.resolve();

  constructor(options: PrimaryOptions) {
    const { clock, count } = options;
    this.#options = options;
    this.#metrics = new JointMetrics(clock);
    this.#slots = Array.from({ length: count }, (_, index) => ({
      number: index + 1,
      delays: new RestartDelays(clock),
      child: undefined,
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
    // Between the end of the last process and its restart, nothing else keeps this process alive.
    const alive = setInterval(ignore, MAX_INTERVAL);
    void this.#ended.promise.finally(() => {
      clearInterval(alive);
    });
    const [first] = this.#slots;
    if (first !== undefined) this.#fork(first);
    return this.#started.promise;
  }

  /** Has all processes drain and stop. Resolves when they have ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const { channel, delays, child } of this.#slots) {
      delays.cancel();
      if (channel === undefined) child?.process.kill("SIGTERM");
      else channel.tell(FROM_PRIMARY.stop);
    }
    this.#checkEnded();
    await this.#ended.promise;
  }

  /** Ends all processes at once. */
  kill(): void {
    this.#stopping = true;
    for (const { child } of this.#slots) child?.process.kill("SIGKILL");
  }

  /**
   * Has all processes read their configuration again, one after the other. Reloads do not overlap.
   * @throws CarillonError unavailable: all processes stop; invalid_argument and others: the first process refuses it, and
   * nothing has changed, or a later one, and the others have changed
   */
  reload(): Promise<ProcessReload> {
    const reloaded = this.#reloadAfter(this.#reloading);
    this.#reloading = reloaded.catch(ignore);
    return reloaded;
  }

  async #reloadAfter(before: Promise<unknown>): Promise<ProcessReload> {
    await before;
    if (this.#stopping) throw new CarillonError("unavailable", "the node is stopping");
    this.#options.checkConfig();
    const reports: ProcessReload[] = [];
    let refusal: CarillonError | undefined;
    for (const { channel, number } of this.#slots) {
      try {
        // A process without a channel has not read its configuration yet.
        const report = await channel?.ask<ProcessReload>(FROM_PRIMARY.reload);
        if (report !== undefined) reports.push(report);
      } catch (cause) {
        const { code, message } = CarillonError.from(cause);
        // It has ended or is stopping. The one that replaces it reads the new configuration.
        if (code === "unavailable") continue;
        if (reports.length === 0) throw cause;
        refusal ??= new CarillonError(code, `${message}; process ${number} has not changed, others have`);
      }
    }
    if (refusal !== undefined) throw refusal;
    const merge = (key: keyof ProcessReload): string[] => [...new Set(reports.flatMap((report) => report[key]))];
    return { changed: merge("changed"), restart: merge("restart") };
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

  #writeMetrics(): Promise<WrittenMetrics> {
    const processes = this.#slots.map(({ channel, number }) => ({
      number,
      collect: channel && (() => channel.ask<CollectedMetrics>(FROM_PRIMARY.collect)),
    }));
    return this.#metrics.write(processes, this.#restarts);
  }

  #fork(slot: Slot): void {
    const { log } = this.#options;
    slot.delays.begin();
    let child: Worker;
    try {
      child = cluster.fork();
    } catch (error) {
      this.#afterExit(slot, { reason: errorText(error) });
      return;
    }
    // The system refuses another process, for example when there are too many: then there is no exit.
    const isRefused = child.process.pid === undefined;
    child.on("error", (error) => {
      if (isRefused) this.#afterExit(slot, { reason: errorText(error) });
    });
    if (isRefused) return;
    closeLostConnections(child);
    slot.child = child;
    const joined = withResolvers<void>();
    const channel = this.#createChannel(slot, child, () => {
      slot.channel = channel;
      joined.resolve();
    });
    const ask = async (): Promise<unknown> => {
      await joined.promise;
      return channel.ask(FROM_PRIMARY.live);
    };
    const liveness = new LivenessCheck(this.#options.clock, ask, () => {
      log.error({ process: slot.number }, "a process does not answer, ending it");
      child.process.kill("SIGKILL");
    });
    liveness.start();
    child.on("exit", (code: number | null, signal: string | null) => {
      channel.close();
      liveness.stop();
      this.#metrics.end(slot.number);
      this.#afterExit(slot, { code, signal });
    });
  }

  /** @param onJoined - called when the process asks for its start facts */
  #createChannel(slot: Slot, child: Worker, onJoined: () => void): Channel {
    const { broker, folder, grpc, http } = this.#options;
    const { number } = slot;
    return new Channel(child, {
      [FROM_NODE.start]: (): ProcessStart => {
        onJoined();
        return { number, count: this.#slots.length, folder, http, grpc, broker };
      },
      [FROM_NODE.state]: (state: ProcessState) => {
        this.#changeState(slot, state);
      },
      [FROM_NODE.readiness]: () => this.#readiness(),
      [FROM_NODE.metrics]: () => this.#writeMetrics(),
      [FROM_NODE.reload]: () => this.reload(),
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

  /** @param exit - describes the end of a process, or why there was none */
  #afterExit(slot: Slot, exit: ProcessExit): void {
    const { log } = this.#options;
    const wasListening = this.#slots.some(({ state: { addresses } }) => addresses !== undefined);
    slot.child = undefined;
    slot.channel = undefined;
    slot.state = { ...STARTING, addresses: slot.state.addresses };
    if (this.#stopping) {
      this.#checkEnded();
      return;
    }
    const delay = wasListening ? slot.delays.next() : undefined;
    const record = { process: slot.number, ...exit, delay };
    if ("reason" in exit) log.error(record, "a process could not be started");
    else if (wasListening) log.error(record, "a process ended unexpectedly, starting another one");
    if (delay === undefined) {
      this.#started.reject(new StartFailure("code" in exit ? exit.code : null));
      return;
    }
    if ("code" in exit) this.#restarts += 1;
    slot.delays.wait(delay, () => {
      this.#fork(slot);
    });
  }

  #checkEnded(): void {
    if (this.#slots.every(({ child }) => child === undefined)) this.#ended.resolve();
  }
}

/**
 * Closes connections that were on their way to a node process when that ended. Node.js hands over one connection of each port
 * at a time, and forgets those that the process did not take: their clients would wait forever.
 */
function closeLostConnections(child: Worker): void {
  const { process } = child;
  const send = process.send.bind(process) as (...args: unknown[]) => boolean;
  /** By number of the message that hands them over. */
  const sent = new Map<number, { readonly close: () => void }>();
  process.send = (...args: unknown[]): boolean => {
    const [message, handle] = args as [{ readonly seq: number }, { readonly close: () => void } | null | undefined];
    if (handle) sent.set(message.seq, handle);
    return send(...args);
  };
  // The process has taken the connection, or it goes to another one.
  process.on("internalMessage", ({ ack }: { readonly ack?: number }) => {
    if (ack !== undefined) sent.delete(ack);
  });
  child.on("exit", () => {
    for (const connection of sent.values()) connection.close();
  });
}
