import { setTimeout as wait } from "node:timers/promises";
import { CarillonError, type ErrorCode } from "../errors.js";
import { WorkerStreamClient } from "../outbound/worker-stream.js";
import { ignore } from "../util/ignore.js";
import { withResolvers } from "../util/with-resolvers.js";
import { Handlers } from "./handlers.js";
import { readCapacity, readConnectionOptions, type WorkerClientOptions } from "./options.js";
import { WorkerSession } from "./session.js";
import type { WorkerHandler } from "./task.js";

/** Milliseconds before the first new try to connect, and before each after many: half of it by chance. */
const SHORTEST_WAIT = 200;
const LONGEST_WAIT = 5_000;

/** Milliseconds that handlers have to end what they are at, when a worker stops. */
const STOP_TIMEOUT = 30_000;

/** Trying again does not help. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  "invalid_argument",
  "permission_denied",
  "unauthenticated",
  "not_found",
]);

/** A backend process that does what clients and other backends ask for. */
export interface Worker {
  /**
   * Takes events that match a pattern, such as `chat/*`; of several patterns the most specific one's handler. Before
   * start.
   * @throws CarillonError invalid_argument: a pattern that cannot be read; already_exists; failed_precondition: started
   */
  on(pattern: string, handler: WorkerHandler): Worker;
  /**
   * Connects, and connects again by itself whenever the connection is lost. Resolves when the node has let it in.
   * @throws CarillonError invalid_argument, permission_denied, unauthenticated, not_found: the node does not; cancelled: it
   * was stopped before
   */
  start(): Promise<void>;
  /**
   * Takes no new tasks, and resolves when those that it has are ended; what is not after `timeout` milliseconds (30 s)
   * goes to other workers.
   */
  stop(options?: { readonly timeout?: number }): Promise<void>;
}

/**
 * Makes a worker. It is connected to nothing until it is started.
 * @throws CarillonError invalid_argument
 */
export function createWorker(options: WorkerClientOptions): Worker {
  return new ReconnectingWorker(options);
}

class ReconnectingWorker implements Worker {
  readonly #handlers = new Handlers();
  readonly #client: WorkerStreamClient;
  readonly #hello: { readonly capacity: number; readonly name: string };
  readonly #onError: (error: Error) => void;
  readonly #started = withResolvers<void>();
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #session: WorkerSession | undefined;
  #welcomed = false;

  constructor(options: WorkerClientOptions) {
    this.#hello = { capacity: readCapacity(options), name: options.name ?? "" };
    this.#onError = options.onError ?? warn;
    this.#client = new WorkerStreamClient(readConnectionOptions(options));
  }

  on(pattern: string, handler: WorkerHandler): this {
    if (this.#running !== undefined) throw new CarillonError("failed_precondition", "the worker was started already");
    this.#handlers.add(pattern, handler);
    return this;
  }

  start(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#client.close();
    });
    return this.#started.promise;
  }

  async stop({ timeout = STOP_TIMEOUT }: { readonly timeout?: number } = {}): Promise<void> {
    if (this.#running === undefined) {
      this.#client.close();
      this.#running = Promise.resolve();
      this.#started.promise.catch(ignore);
      this.#started.reject(stopped());
      return;
    }
    this.#stopping.abort();
    this.#session?.drain();
    const late = setTimeout(() => this.#session?.cancel(), timeout);
    await this.#running;
    clearTimeout(late);
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stopping.signal.aborted) {
      const failure = await this.#work(() => {
        failures = 0;
      });
      if (this.#stopping.signal.aborted) break;
      if (failure !== undefined && FINAL.has(failure.code) && !this.#welcomed) {
        this.#started.reject(failure);
        return;
      }
      if (this.#welcomed || failures === 0) this.#onError(failure ?? lost());
      failures += 1;
      const longest = Math.min(SHORTEST_WAIT * 2 ** (failures - 1), LONGEST_WAIT);
      const signal = this.#stopping.signal;
      await wait(longest * (0.5 + Math.random() / 2), undefined, { signal }).catch(ignore);
    }
    this.#started.promise.catch(ignore);
    this.#started.reject(stopped());
  }

  /** Resolves when the connection has ended. */
  async #work(onWelcome: () => void): Promise<CarillonError | undefined> {
    const session = new WorkerSession({
      client: this.#client,
      handlers: this.#handlers,
      hello: this.#hello,
      onError: this.#onError,
      onWelcome: () => {
        onWelcome();
        this.#welcomed = true;
        this.#started.resolve();
      },
    });
    this.#session = session;
    const failure = await session.ended;
    this.#session = undefined;
    return failure;
  }
}

function lost(): CarillonError {
  return new CarillonError("unavailable", "the node has ended the connection");
}

function stopped(): CarillonError {
  return new CarillonError("cancelled", "the worker was stopped");
}

function warn(error: Error): void {
  process.emitWarning(error);
}
