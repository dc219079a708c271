import type { Msg, NatsConnection } from "nats";
import type { Clock } from "../../../core/ports.js";
import { CarillonError } from "../../../errors.js";
import type { HistoryCounts } from "../../../history/history-counts.js";
import { ignore } from "../../../util/ignore.js";
import { withResolvers } from "../../../util/with-resolvers.js";
import { describeConnectFailure } from "../../link/connect.js";
import { Link, type NatsEvents } from "../../link/link.js";
import type { NatsOptions } from "../../link/options.js";

/** Requests in flight at the same time. */
const CONCURRENT_REQUESTS = 64;
/** Maximum number of requests that wait for their turn. */
const MAX_WAITING = 20_000;

export interface StoreConnectionOptions {
  /** Name of the broker, for errors. */
  readonly broker: string;
  readonly nats: NatsOptions;
  readonly clock: Clock;
  readonly events: NatsEvents;
  readonly counts: HistoryCounts;
  /** Called after each connect or reconnect. */
  readonly onConnected: () => void;
}

/**
 * Connection for reading stored messages and managing streams. It is separate from that of live messages, because a server
 * answers direct gets in the loop that reads the connection. Connects on first use.
 */
export class StoreConnection {
  readonly #options: StoreConnectionOptions;
  readonly #link: Link;
  readonly #waiting: (() => void)[] = [];
  /** Requests that wait or are in flight, by their text: equal ones are shared. */
  readonly #shared = new Map<string, Promise<unknown>>();
  #connected: Promise<void> | undefined;
  /** Resolve functions of those who wait for the connection. */
  readonly #awaiting = new Set<() => void>();
  #inFlight = 0;
  #stopped = false;

  constructor(options: StoreConnectionOptions) {
    const { clock, events, nats } = options;
    this.#options = options;
    this.#link = new Link({
      nats: { ...nats, clientName: `${nats.clientName}-history` },
      clock,
      events: { onUp: this.#onUp, onDown: ignore, onError: events.onError },
      onConnected: () => {
        queueMicrotask(options.onConnected);
      },
      onLost: ignore,
      onRefused: ignore,
    });
  }

  /** Maximum wait for one answer, in milliseconds. */
  get timeout(): number {
    return Math.min(this.#options.nats.confirmTimeout, MAX_TIMEOUT);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#connected !== undefined) await this.#link.stop(0, () => Promise.resolve());
  }

  /**
   * Connects if needed.
   * @throws CarillonError unavailable
   */
  async connect(): Promise<NatsConnection> {
    if (this.#stopped) throw this.#unavailable("this node is stopping");
    this.#connected ??= this.#link.start().catch((error: unknown) => {
      this.#connected = undefined;
      throw error;
    });
    try {
      await this.#connected;
    } catch (error) {
      throw this.#unavailable(describeConnectFailure(error));
    }
    const { connection, up } = this.#link;
    if (!up || connection === undefined) throw this.#unavailable("not connected");
    return connection;
  }

  /** Connects if needed. Resolves when the connection is up, or has not come up within the maximum wait for an answer. */
  async settle(): Promise<void> {
    await this.connect().catch(ignore);
    if (this.#link.up || this.#stopped) return;
    const { promise, resolve } = withResolvers<void>();
    this.#awaiting.add(resolve);
    const cancel = this.#options.clock.after(this.timeout, resolve);
    await promise;
    cancel();
    this.#awaiting.delete(resolve);
  }

  readonly #onUp = (): void => {
    for (const resolve of this.#awaiting) resolve();
  };

  /**
   * Runs a request when one of the places is free. Requests with equal keys share one answer.
   * @throws CarillonError unavailable: also for errors of the library
   */
  share<T>(key: string, run: (connection: NatsConnection) => Promise<T>): Promise<T> {
    const known = this.#shared.get(key);
    if (known !== undefined) {
      this.#options.counts.reads.shared += 1;
      // Equal keys have equal results.
      return known as Promise<T>;
    }
    const request = this.run(run).finally(() => this.#shared.delete(key));
    this.#shared.set(key, request);
    return request;
  }

  /** @throws CarillonError unavailable: also for errors of the library */
  async run<T>(run: (connection: NatsConnection) => Promise<T>): Promise<T> {
    const { clock, counts } = this.#options;
    await this.#takeSlot();
    const began = clock.monotonic();
    try {
      return await run(await this.connect());
    } catch (cause) {
      counts.reads.failed += 1;
      if (cause instanceof CarillonError) throw cause;
      throw this.#unavailable(describeConnectFailure(cause), cause);
    } finally {
      counts.readMilliseconds += clock.monotonic() - began;
      this.#inFlight -= 1;
      this.#waiting.shift()?.();
    }
  }

  /** Sends one request of the JetStream API. @throws errors of the library */
  request(connection: NatsConnection, subject: string, query: object): Promise<Msg> {
    return connection.request(subject, JSON.stringify(query), { timeout: this.timeout });
  }

  async #takeSlot(): Promise<void> {
    if (this.#inFlight >= CONCURRENT_REQUESTS) {
      if (this.#waiting.length >= MAX_WAITING) throw this.#unavailable("too many reads are waiting");
      await new Promise<void>((resolve) => {
        this.#waiting.push(() => {
          this.#inFlight += 1;
          resolve();
        });
      });
      return;
    }
    this.#inFlight += 1;
  }

  #unavailable(reason: string, cause?: unknown): CarillonError {
    return new CarillonError("unavailable", `the history of ${this.#options.broker} cannot be reached: ${reason}`, {
      cause,
    });
  }
}

const MAX_TIMEOUT = 2_000;
