import { connect, Events, type NatsConnection, type Status } from "nats";
import type { Clock } from "../../core/ports.js";
import { ignore } from "../../util/ignore.js";
import { withResolvers } from "../../util/with-resolvers.js";
import {
  createConnectionOptions,
  describeConnectFailure,
  isPermanentFailure,
  RECONNECT_JITTER,
  RECONNECT_WAIT,
} from "./connect.js";
import type { NatsOptions } from "./options.js";
import { type NatsRefusal, readNatsRefusal } from "./refusal.js";

/** Events of a driver for the operator. */
export interface NatsEvents {
  readonly onUp: (server: string) => void;
  /** Called once for each disconnection. */
  readonly onDown: (reason: string) => void;
  readonly onError: (message: string) => void;
}

export interface LinkOptions {
  readonly nats: NatsOptions;
  readonly clock: Clock;
  readonly events: NatsEvents;
  /** Called after each connect or reconnect. Must subscribe to every subject that the connection lacks. */
  readonly onConnected: (connection: NatsConnection) => void;
  /** Called when the connection is lost: sent data may not have arrived, and will not be answered. */
  readonly onLost: () => void;
  readonly onRefused: (refusal: NatsRefusal) => void;
}

/**
 * Keeps a connection to NATS. The library reconnects and renews subscriptions. This class also retries the first
 * connection, replaces a connection that the library gave up, and reports when all subscriptions are active again (O9).
 */
export class Link {
  readonly #options: LinkOptions;
  #connection: NatsConnection | undefined;
  #up = false;
  #connects = 0;
  #downReported = false;
  #lastError = "";
  #cancelRetry: (() => void) | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** True when the server has answered since the last connect or reconnect, so that all subscriptions are active. */
  get up(): boolean {
    return this.#up;
  }

  /** Number of times that a lost connection was restored. */
  get reconnects(): number {
    return Math.max(0, this.#connects - 1);
  }

  /** The current connection, which the library may be trying to restore. */
  get connection(): NatsConnection | undefined {
    return this.#stopped === undefined && this.#connection?.isClosed() === false ? this.#connection : undefined;
  }

  /** Resolves when the server has processed all earlier output. */
  ping(): Promise<void> {
    return this.#connection?.flush() ?? Promise.reject(new Error("not connected"));
  }

  /** @throws errors that `isPermanentFailure` recognizes; other failures are retried */
  async start(): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      if (isPermanentFailure(error)) throw error;
      this.#becomeDown(describeConnectFailure(error));
      this.#retryLater();
    }
  }

  /**
   * Closes the connection, after the last confirmation.
   * @param deadline - maximum wait for the confirmation, in milliseconds
   * @param confirmLast - requests the confirmation; not called while disconnected
   */
  stop(deadline: number, confirmLast: () => Promise<unknown>): Promise<void> {
    this.#stopped ??= this.#stop(deadline, confirmLast);
    return this.#stopped;
  }

  async #stop(deadline: number, confirmLast: () => Promise<unknown>): Promise<void> {
    this.#cancelRetry?.();
    const confirmed = this.#up ? confirmLast() : undefined;
    this.#up = false;
    const { promise: late, resolve } = withResolvers<void>();
    const cancel = this.#options.clock.after(deadline, resolve);
    await Promise.race([confirmed?.catch(ignore), late]);
    cancel();
    await this.#connection?.close();
    this.#connection = undefined;
  }

  async #connect(): Promise<void> {
    const connection = await connect(createConnectionOptions(this.#options.nats));
    // A second connection would deliver every message twice.
    if (this.#stopped !== undefined || this.connection !== undefined) {
      await connection.close();
      return;
    }
    this.#connection = connection;
    const onEnd = (error: unknown): void => {
      this.#onClosed(connection, error);
    };
    connection.closed().then(onEnd, onEnd);
    this.#watch(connection).catch((error: unknown) => {
      this.#reportError(`watching the connection failed: ${describeConnectFailure(error)}`);
    });
    await this.#settle(connection);
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (this.#stopped === undefined && this.#connection === connection) this.#onStatus(connection, status);
    }
  }

  #onStatus(connection: NatsConnection, status: Status): void {
    if (status.type === Events.Disconnect) {
      this.#becomeDown(`disconnected from ${formatStatus(status)}`);
    } else if (status.type === Events.Reconnect) {
      void this.#settle(connection);
    } else if (status.type === Events.Error) {
      // If the server closes the connection after the error, a Disconnect follows and the library reconnects.
      const refusal = readNatsRefusal(status, connection);
      if (refusal !== undefined) this.#options.onRefused(refusal);
      this.#reportError(refusal?.text ?? formatStatus(status));
    }
  }

  /** Becomes up when the server has answered, because it has then processed all subscriptions. */
  async #settle(connection: NatsConnection): Promise<void> {
    try {
      this.#options.onConnected(connection);
      await connection.flush();
    } catch (error) {
      // The connection was lost again. The library continues, and its next Reconnect or its end is handled here.
      this.#becomeDown(describeConnectFailure(error));
      return;
    }
    if (this.#up || this.#stopped !== undefined || this.#connection !== connection) return;
    if (connection.info?.headers !== true) {
      this.#reportError("the server does not support headers: NATS 2.2 or newer is required");
      return;
    }
    this.#up = true;
    this.#connects += 1;
    this.#downReported = false;
    this.#lastError = "";
    this.#options.events.onUp(connection.getServer());
  }

  #onClosed(connection: NatsConnection, error: unknown): void {
    if (this.#stopped !== undefined || this.#connection !== connection) return;
    this.#connection = undefined;
    this.#becomeDown(describeConnectFailure(error ?? "connection closed"));
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#stopped !== undefined) return;
    const wait = RECONNECT_WAIT + Math.random() * RECONNECT_JITTER;
    this.#cancelRetry = this.#options.clock.after(wait, () => {
      this.#connect().catch((error: unknown) => {
        if (isPermanentFailure(error)) this.#reportError(describeConnectFailure(error));
        this.#retryLater();
      });
    });
  }

  #becomeDown(reason: string): void {
    if (this.#stopped !== undefined) return;
    this.#up = false;
    this.#options.onLost();
    if (this.#downReported) return;
    this.#downReported = true;
    this.#options.events.onDown(reason);
  }

  /** Reports an error unless it repeats the last one, because a wrong password is refused several times a second. */
  #reportError(text: string): void {
    if (text === this.#lastError) return;
    this.#lastError = text;
    this.#options.events.onError(text);
  }
}

function formatStatus({ data }: Status): string {
  return typeof data === "string" ? data : JSON.stringify(data);
}
