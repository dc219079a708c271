import { connect, Events, type NatsConnection, type Status } from "nats";
import type { Clock } from "../../core/ports.js";
import { ignore } from "../../util/ignore.js";
import { withResolvers } from "../../util/with-resolvers.js";
import { connectionOptions, describeConnectFailure, isHopeless, RECONNECT_JITTER, RECONNECT_WAIT } from "./connect.js";
import type { NatsOptions } from "./options.js";
import { type NatsRefusal, readNatsRefusal } from "./refusal.js";

/** What a driver reports to whoever runs the node. */
export interface NatsEvents {
  readonly onUp: (server: string) => void;
  /** Told once for each time that the broker goes away. */
  readonly onDown: (reason: string) => void;
  readonly onError: (message: string) => void;
}

export interface LinkOptions {
  readonly nats: NatsOptions;
  readonly clock: Clock;
  readonly events: NatsEvents;
  /** There is a connection, new or regained: ask for every subject that it does not have. */
  readonly onConnected: (connection: NatsConnection) => void;
  /** What was sent may not have arrived, and nothing of it will be answered. */
  readonly onLost: () => void;
  readonly onRefused: (refusal: NatsRefusal) => void;
}

/**
 * Keeps a connection to NATS. The library reconnects by itself and asks again for every subscription; this adds what it
 * leaves open: a first connection that cannot be had yet, one that the library gives up, and the word that all interest
 * is in place again (O9).
 */
export class Link {
  readonly #options: LinkOptions;
  #connection: NatsConnection | undefined;
  #up = false;
  #toldDown = false;
  #lastComplaint = "";
  #cancelRetry: (() => void) | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** The server has answered since the last (re)connect, so it knows all interest. */
  get up(): boolean {
    return this.#up;
  }

  /** The connection of the moment; while NATS is away, the one that the library tries to regain. */
  get connection(): NatsConnection | undefined {
    return this.#stopped === undefined && this.#connection?.isClosed() === false ? this.#connection : undefined;
  }

  /** Resolves when the server has taken in everything sent before. */
  ping(): Promise<void> {
    return this.#connection?.flush() ?? Promise.reject(new Error("there is no connection"));
  }

  /** @throws what isHopeless finds hopeless */
  async start(): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      if (isHopeless(error)) throw error;
      this.#becomeDown(describeConnectFailure(error));
      this.#retryLater();
    }
  }

  /**
   * Ends the connection, after what the server still has to say about what was sent.
   * @param deadline - in milliseconds
   * @param lastWord - begins to wait for that; not called when NATS is away
   */
  stop(deadline: number, lastWord: () => Promise<unknown>): Promise<void> {
    this.#stopped ??= this.#stop(deadline, lastWord);
    return this.#stopped;
  }

  async #stop(deadline: number, lastWord: () => Promise<unknown>): Promise<void> {
    this.#cancelRetry?.();
    const said = this.#up ? lastWord() : undefined;
    this.#up = false;
    const { promise: late, resolve } = withResolvers<void>();
    const cancel = this.#options.clock.after(deadline, resolve);
    await Promise.race([said?.catch(ignore), late]);
    cancel();
    await this.#connection?.close();
    this.#connection = undefined;
  }

  async #connect(): Promise<void> {
    const connection = await connect(connectionOptions(this.#options.nats));
    // Never two: each would bring every message.
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
      this.#complain(`watching the connection failed: ${describeConnectFailure(error)}`);
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
      this.#becomeDown(`disconnected from ${textOf(status)}`);
    } else if (status.type === Events.Reconnect) {
      void this.#settle(connection);
    } else if (status.type === Events.Error) {
      // Where the server ends the connection after it, a Disconnect follows, and the library connects anew.
      const refusal = readNatsRefusal(status, connection);
      if (refusal !== undefined) this.#options.onRefused(refusal);
      this.#complain(refusal?.words ?? textOf(status));
    }
  }

  /** Up again when the server has answered: it has then taken in everything that this node listens to. */
  async #settle(connection: NatsConnection): Promise<void> {
    try {
      this.#options.onConnected(connection);
      await connection.flush();
    } catch (error) {
      // Lost again. The library goes on by itself, and its next Reconnect or its end comes here.
      this.#becomeDown(describeConnectFailure(error));
      return;
    }
    if (this.#up || this.#stopped !== undefined || this.#connection !== connection) return;
    if (connection.info?.headers !== true) {
      this.#complain("the server does not support headers: NATS 2.2 or newer is needed");
      return;
    }
    this.#up = true;
    this.#toldDown = false;
    this.#lastComplaint = "";
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
        if (isHopeless(error)) this.#complain(describeConnectFailure(error));
        this.#retryLater();
      });
    });
  }

  #becomeDown(reason: string): void {
    if (this.#stopped !== undefined) return;
    this.#up = false;
    this.#options.onLost();
    if (this.#toldDown) return;
    this.#toldDown = true;
    this.#options.events.onDown(reason);
  }

  /** A wrong password is refused several times a second; once is enough to tell. */
  #complain(text: string): void {
    if (text === this.#lastComplaint) return;
    this.#lastComplaint = text;
    this.#options.events.onError(text);
  }
}

function textOf({ data }: Status): string {
  return typeof data === "string" ? data : JSON.stringify(data);
}
