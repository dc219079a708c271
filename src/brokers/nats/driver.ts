import { connect, Events, type Msg, type NatsConnection, type NatsError, type Status, type Subscription } from "nats";
import type { Message, MessageIds, Publication, Stage } from "../../core/message.js";
import type { BrokerDriver, Clock, Subscription as TopicSubscription } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { withResolvers } from "../../util/with-resolvers.js";
import { connectionOptions, isHopeless, type NatsOptions, RECONNECT_JITTER, RECONNECT_WAIT } from "./connect.js";
import { METADATA_OVERHEAD_BYTES, NatsMessage, toHeaders } from "./metadata.js";
import { Rounds } from "./rounds.js";
import { subjectOf, topicOf } from "./subject.js";

/** What a driver reports to whoever runs the node. */
export interface NatsEvents {
  readonly onUp: (server: string) => void;
  readonly onDown: (reason: string) => void;
  readonly onError: (message: string) => void;
}

export interface NatsDriverOptions {
  /** Name of the broker, for errors. */
  readonly name: string;
  readonly nats: NatsOptions;
  readonly ids: MessageIds;
  readonly clock: Clock;
  readonly events: NatsEvents;
}

/**
 * Messages by way of a NATS server or cluster. Core NATS only: what a node misses while it is cut off is gone.
 *
 * The client library reconnects by itself and asks again for every subscription. This driver adds what it leaves open:
 * the first connection, one that was closed for good, and the word that everything is in place again (O9).
 */
export class NatsDriver implements BrokerDriver {
  readonly #options: NatsDriverOptions;
  readonly #rounds: Rounds;
  readonly #subscriptions = new Set<TopicListener>();
  #connection: NatsConnection | undefined;
  #up = false;
  #stopping = false;
  #cancelRetry: (() => void) | undefined;

  constructor(options: NatsDriverOptions) {
    this.#options = options;
    this.#rounds = new Rounds({
      ping: () => this.#connection?.flush() ?? Promise.reject(this.#away()),
      clock: options.clock,
      timeout: options.nats.confirmTimeout,
      broker: options.name,
    });
  }

  get up(): boolean {
    return this.#up;
  }

  async start(): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      if (isHopeless(error)) throw this.#hopeless(error);
      this.#options.events.onDown(reasonOf(error));
      this.#retryLater();
    }
  }

  async stop(deadline: number): Promise<void> {
    this.#stopping = true;
    this.#up = false;
    this.#cancelRetry?.();
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection === undefined || connection.isClosed()) return;
    const { promise: late, resolve } = withResolvers<void>();
    const cancel = this.#options.clock.after(deadline, resolve);
    try {
      await Promise.race([connection.drain(), late]);
    } catch (error) {
      this.#options.events.onError(`draining failed: ${reasonOf(error)}`);
    }
    cancel();
    await connection.close();
    this.#rounds.fail();
  }

  subscribe(vhost: string, topic: string, deliver: (message: Message) => void): TopicSubscription {
    const { clock, events, ids, name, nats } = this.#options;
    const subject = subjectOf(nats.prefix, vhost, topic);
    const listener = new TopicListener(subject, (error, msg) => {
      if (error !== null) {
        const text = `broker ${JSON.stringify(name)} does not let this node hear topic ${JSON.stringify(topic)}`;
        listener.refusal = new CarillonError("permission_denied", text, { cause: error });
        return;
      }
      try {
        deliver(new NatsMessage(msg, ids, clock.now()));
      } catch (fault) {
        // Thrown on, it would end the client library's reader without a trace.
        events.onError(`delivering a message of ${subject} failed: ${reasonOf(fault)}`);
      }
    });
    this.#subscriptions.add(listener);
    if (this.#connection !== undefined && !this.#connection.isClosed()) listener.attach(this.#connection);
    return {
      get refusal() {
        return listener.refusal;
      },
      close: () => {
        this.#subscriptions.delete(listener);
        listener.detach();
      },
    };
  }

  async settle(): Promise<void> {
    if (!this.#up) throw this.#away();
    await this.#rounds.confirm(0);
  }

  admit(publications: readonly Publication[]): void {
    const { name, nats } = this.#options;
    if (!this.#up) throw this.#away();
    const largest = this.#connection?.info?.max_payload ?? Number.POSITIVE_INFINITY;
    let bytes = this.#rounds.unconfirmedBytes;
    for (const { message, topic } of publications) {
      const size = sizeOf(message);
      bytes += size;
      if (size > largest) {
        throw new CarillonError(
          "invalid_argument",
          `payload for topic ${JSON.stringify(topic)}: ${message.payload.length} bytes and their metadata are more than the ${largest} that broker ${JSON.stringify(name)} takes (max_payload)`,
        );
      }
    }
    if (bytes > nats.pendingBytes) {
      const text = `broker ${JSON.stringify(name)} is behind: ${bytes} bytes would wait for it, the limit is ${nats.pendingBytes}`;
      throw new CarillonError("resource_exhausted", text);
    }
  }

  async publish(publications: readonly Publication[]): Promise<Stage> {
    const connection = this.#connection;
    const { prefix } = this.#options.nats;
    if (!this.#up || connection === undefined) throw this.#away();
    let bytes = 0;
    const subjects: string[] = [];
    try {
      for (const { message, topic, vhost } of publications) {
        const subject = subjectOf(prefix, vhost, topic);
        connection.publish(subject, message.payload, { headers: toHeaders(message) });
        subjects.push(subject);
        bytes += sizeOf(message);
      }
    } catch (cause) {
      const text = `broker ${JSON.stringify(this.#options.name)} took only part of the request: ${reasonOf(cause)}`;
      throw new CarillonError("unavailable", text, { cause });
    }
    const { refusedSubjects } = await this.#rounds.confirm(bytes);
    if (refusedSubjects.size > 0) this.#checkRefused(subjects, refusedSubjects);
    return "flushed";
  }

  #checkRefused(subjects: readonly string[], refused: ReadonlySet<string>): void {
    const subject = subjects.find((candidate) => refused.has(candidate));
    if (subject === undefined) return;
    const { name, nats } = this.#options;
    const topic = topicOf(nats.prefix, subject)?.topic ?? subject;
    const text = `broker ${JSON.stringify(name)} does not let this node publish on topic ${JSON.stringify(topic)}`;
    throw new CarillonError("permission_denied", text);
  }

  async #connect(): Promise<void> {
    const connection = await connect(connectionOptions(this.#options.nats));
    if (this.#stopping) {
      await connection.close();
      return;
    }
    this.#connection = connection;
    this.#watch(connection).catch((error: unknown) => {
      this.#options.events.onError(`watching the connection failed: ${reasonOf(error)}`);
    });
    connection.closed().then(
      (error) => {
        this.#onClosed(connection, error);
      },
      (error: unknown) => {
        this.#onClosed(connection, error);
      },
    );
    for (const listener of this.#subscriptions) listener.attach(connection);
    await connection.flush();
    this.#becomeUp(connection);
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) this.#onStatus(connection, status);
  }

  #onStatus(connection: NatsConnection, status: Status): void {
    if (this.#stopping || this.#connection !== connection) return;
    if (status.type === Events.Disconnect) {
      this.#becomeDown("disconnected");
    } else if (status.type === Events.Reconnect) {
      // The library has asked again for all subscriptions; joins may rely on them once the server has answered.
      connection.flush().then(
        () => {
          this.#becomeUp(connection);
        },
        // Lost again: the next reconnect comes here too.
        (error: unknown) => {
          this.#becomeDown(reasonOf(error));
        },
      );
    } else if (status.type === Events.Error) {
      const { permissionContext } = status;
      if (permissionContext?.operation === "publish") this.#rounds.refuse(permissionContext.subject);
      this.#options.events.onError(`${String(status.data)}${permissionContext ? ` ${permissionContext.subject}` : ""}`);
    }
  }

  #onClosed(connection: NatsConnection, error: unknown): void {
    if (this.#stopping || this.#connection !== connection) return;
    this.#connection = undefined;
    for (const listener of this.#subscriptions) listener.detach();
    this.#becomeDown(reasonOf(error ?? "connection closed"));
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#stopping) return;
    const wait = RECONNECT_WAIT + Math.random() * RECONNECT_JITTER;
    this.#cancelRetry = this.#options.clock.after(wait, () => {
      this.#connect().catch((error: unknown) => {
        if (isHopeless(error)) this.#options.events.onError(reasonOf(error));
        this.#retryLater();
      });
    });
  }

  #becomeUp(connection: NatsConnection): void {
    if (this.#up || this.#stopping) return;
    if (connection.info?.headers !== true) {
      this.#options.events.onError("the server does not support headers (NATS 2.2 or newer is needed)");
      return;
    }
    this.#up = true;
    this.#options.events.onUp(connection.getServer());
  }

  #becomeDown(reason: string): void {
    const wasUp = this.#up;
    this.#up = false;
    this.#rounds.fail();
    if (wasUp) this.#options.events.onDown(reason);
  }

  #away(): CarillonError {
    return new CarillonError("unavailable", `broker ${JSON.stringify(this.#options.name)} is not connected`);
  }

  #hopeless(error: unknown): CarillonError {
    const { name, nats } = this.#options;
    const servers = nats.servers.map(withoutSecret).join(", ");
    const text = `broker ${JSON.stringify(name)} at ${servers}: ${reasonOf(error)}`;
    return new CarillonError("failed_precondition", text, { cause: error });
  }
}

/** One topic's subject, and the library's subscription for it on the connection of the moment. */
class TopicListener {
  refusal: CarillonError | undefined;
  #subscription: Subscription | undefined;

  constructor(
    readonly subject: string,
    readonly callback: (error: NatsError | null, msg: Msg) => void,
  ) {}

  attach(connection: NatsConnection): void {
    this.refusal = undefined;
    this.#subscription = connection.subscribe(this.subject, { callback: this.callback });
  }

  detach(): void {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    if (subscription !== undefined && !subscription.isClosed()) subscription.unsubscribe();
  }
}

function sizeOf({ event, id, payload }: Message): number {
  return payload.length + Buffer.byteLength(id) + Buffer.byteLength(event) + METADATA_OVERHEAD_BYTES;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A server's URL as it may be shown: without user and password. */
function withoutSecret(server: string): string {
  return server.replace(/\/\/[^@/]*@/, "//");
}
