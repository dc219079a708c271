import { setTimeout as wait } from "node:timers/promises";
import { CarillonError, type ErrorCode } from "../errors.js";
import { Backoff } from "../outbound/backoff.js";
import { createWorkerStreamClient, type WorkerStreamClient } from "../outbound/worker-stream.js";
import { ignore } from "../util/ignore.js";
import { withResolvers } from "../util/with-resolvers.js";
import { Handlers } from "./handlers.js";
import { readCapacity, type WorkerClientOptions } from "./options.js";
import { WorkerSession } from "./session.js";
import type { WorkerHandler } from "./task.js";

/** Upper bounds of the first wait before reconnecting, and of later ones, in milliseconds. */
const FIRST_WAIT = 200;
const MAX_WAIT = 5_000;

/** Default time for handlers to complete their tasks when a worker stops, in milliseconds. */
const STOP_TIMEOUT = 30_000;

/** Codes of errors for which retrying does not help. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  "invalid_argument",
  "permission_denied",
  "unauthenticated",
  "not_found",
]);

/** Worker: handles tasks from clients and other backends. */
export interface Worker {
  /**
   * Adds a handler for the events that match a pattern, such as `chat/*`. If several patterns match, the most specific one
   * wins. Must be called before {@link start}.
   * @throws CarillonError invalid_argument: a malformed pattern; already_exists; failed_precondition: already started
   */
  on(pattern: string, handler: WorkerHandler): Worker;
  /**
   * Connects, and reconnects whenever the connection is lost. Resolves when the node has accepted the worker.
   * @throws CarillonError invalid_argument, permission_denied, unauthenticated, not_found: the node refuses the worker; cancelled:
   * the worker was stopped first
   */
  start(): Promise<void>;
  /**
   * Accepts no new tasks, and resolves when the current ones have ended. After `timeout` milliseconds (default 30,000) the
   * remaining tasks are assigned to other workers.
   */
  stop(options?: { readonly timeout?: number }): Promise<void>;
}

/**
 * Creates a worker. It does not connect until it is started.
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
    this.#client = createWorkerStreamClient(options);
  }

  on(pattern: string, handler: WorkerHandler): this {
    if (this.#running !== undefined) throw new CarillonError("failed_precondition", "the worker was already started");
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
      this.#started.reject(workerStopped());
      return;
    }
    this.#stopping.abort();
    this.#session?.drain();
    const late = setTimeout(() => this.#session?.cancel(), timeout);
    await this.#running;
    clearTimeout(late);
  }

  async #run(): Promise<void> {
    const backoff = new Backoff(FIRST_WAIT, MAX_WAIT);
    let hasFailed = false;
    while (!this.#stopping.signal.aborted) {
      const failure = await this.#work(() => {
        backoff.reset();
      });
      if (this.#stopping.signal.aborted) break;
      if (failure !== undefined && FINAL.has(failure.code) && !this.#welcomed) {
        this.#started.reject(failure);
        return;
      }
      if (this.#welcomed || !hasFailed) this.#onError(failure ?? connectionLost());
      hasFailed = true;
      await wait(backoff.next(), undefined, { signal: this.#stopping.signal }).catch(ignore);
    }
    this.#started.promise.catch(ignore);
    this.#started.reject(workerStopped());
  }

  /** Runs one connection. Resolves when it has ended. */
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

function connectionLost(): CarillonError {
  return new CarillonError("unavailable", "the node has ended the connection");
}

function workerStopped(): CarillonError {
  return new CarillonError("cancelled", "the worker was stopped");
}

function warn(error: Error): void {
  process.emitWarning(error);
}
