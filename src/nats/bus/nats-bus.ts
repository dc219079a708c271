import { randomBytes } from "node:crypto";
import type { Msg, NatsConnection, Subscription } from "nats";
import type { Bus } from "../../cluster/bus.js";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { ignore } from "../../util/ignore.js";
import { ReportLimiter } from "../../util/report-limiter.js";
import { ConfirmationRounds } from "../link/confirmation-rounds.js";
import { describeConnectFailure, formatServers } from "../link/connect.js";
import { Link, type NatsEvents } from "../link/link.js";
import type { NatsOptions } from "../link/options.js";

/** Number of bytes sent after which a confirmation is requested. */
const ROUND_BYTES = 256 << 10;
/** Maximum number of unconfirmed bytes: two of the largest messages. Messages beyond it are dropped. */
const MAX_PENDING_BYTES = 64 << 20;

/** Token after the prefix, in the place of a topic's vhost. No vhost's token begins with a dollar sign. */
const CLUSTER_TOKEN = "$cluster";

/** First token of the subjects on which the server reports messages without subscribers; a token for each bus follows. */
const NO_RESPONDERS_TOKEN = "unheard";
/** Status of the server's report. Source: NATS client protocol, no responders. */
const NO_RESPONDERS = 503;

export interface NatsBusOptions {
  readonly nats: NatsOptions;
  readonly clock: Clock;
  readonly events: NatsEvents;
}

/** A subscribed subject, and the library's subscription to it. */
interface BusSubscription {
  readonly subject: string;
  readonly onMessage: (data: Uint8Array, msg: Msg) => void;
  readonly group: string | undefined;
  subscription: Subscription | undefined;
}

/** Bus over plain NATS messages. Has its own connection, so that traffic on topics does not delay it. */
export class NatsBus implements Bus {
  readonly shared = true;
  readonly #options: NatsBusOptions;
  readonly #link: Link;
  readonly #rounds: ConfirmationRounds;
  readonly #subscriptions = new Set<BusSubscription>();
  readonly #noSubscriberSubject = `${NO_RESPONDERS_TOKEN}.${randomBytes(8).toString("hex")}`;
  readonly #noSubscriberListeners: ((id: string) => void)[] = [];
  /** Number of bytes sent since the last requested confirmation. */
  #sentBytes = 0;
  readonly #dropReports: ReportLimiter;

  constructor(options: NatsBusOptions) {
    this.#options = options;
    const { clock, events, nats } = options;
    this.#link = new Link({
      nats,
      clock,
      events,
      onConnected: (connection) => {
        for (const entry of this.#subscriptions) this.#attach(entry, connection);
      },
      onLost: () => {
        this.#sentBytes = 0;
        this.#rounds.fail();
      },
      // The link reports refusals as errors.
      onRefused: () => {},
    });
    this.#dropReports = new ReportLimiter({
      clock,
      burst: 1,
      onOmitted: (_kind, count) => {
        events.onError(`${count} further messages to other nodes were not sent`);
      },
    });
    this.#rounds = new ConfirmationRounds({
      ping: () => this.#link.ping(),
      clock,
      timeout: nats.confirmTimeout,
      broker: "cluster",
    });
  }

  get up(): boolean {
    return this.#link.up;
  }

  async start(): Promise<void> {
    try {
      await this.#link.start();
    } catch (cause) {
      const text = `the cluster's NATS at ${formatServers(this.#options.nats)}: ${describeConnectFailure(cause)}`;
      throw new CarillonError("failed_precondition", text, { cause });
    }
  }

  async stop(deadline: number): Promise<void> {
    this.#dropReports.stop();
    await this.#link.stop(deadline, () => this.#rounds.confirm(0));
    this.#rounds.fail();
  }

  publish(subject: string, data: Uint8Array): void {
    this.#send(subject, data);
  }

  /** Publishes with a reply subject, on which the server itself replies when there are no subscribers. */
  offer(subject: string, data: Uint8Array, id: string): void {
    this.#send(subject, data, { reply: this.#toSubject(`${this.#noSubscriberSubject}.${id}`) });
  }

  onNoSubscriber(onId: (id: string) => void): void {
    if (this.#noSubscriberListeners.push(onId) > 1) return;
    this.#subscribeTo(`${this.#noSubscriberSubject}.*`, undefined, (_data, msg) => {
      if (msg.headers?.code !== NO_RESPONDERS) return;
      const id = msg.subject.slice(msg.subject.lastIndexOf(".") + 1);
      for (const listener of this.#noSubscriberListeners) listener(id);
    });
  }

  #send(subject: string, data: Uint8Array, options?: { readonly reply: string }): void {
    const { connection, up } = this.#link;
    // Answers could be missed until the server has processed all subscriptions.
    if (!up || connection === undefined) return;
    if (this.#rounds.unconfirmedBytes + this.#sentBytes + data.length > MAX_PENDING_BYTES) {
      this.#reportDrop(subject);
      return;
    }
    this.#count(data.length);
    try {
      connection.publish(this.#toSubject(subject), data, options);
    } catch (error) {
      this.#options.events.onError(`a message of ${subject} was not sent: ${describeConnectFailure(error)}`);
    }
  }

  /** Counts sent bytes, to bound the library's buffer for a server that does not read (O6). */
  #count(bytes: number): void {
    this.#sentBytes += bytes;
    if (this.#sentBytes < ROUND_BYTES) return;
    this.#rounds.confirm(this.#sentBytes).catch(ignore);
    this.#sentBytes = 0;
  }

  #reportDrop(subject: string): void {
    this.#dropReports.report("lost", () => {
      const text = `more than ${MAX_PENDING_BYTES} bytes are pending for the cluster's NATS`;
      this.#options.events.onError(`a message of ${subject} was not sent: ${text}`);
    });
  }

  async flush(): Promise<void> {
    if (!this.up) throw new CarillonError("unavailable", "the cluster's NATS is not connected");
    await this.#rounds.confirm(0);
  }

  subscribe(subject: string, onMessage: (data: Uint8Array) => void, group?: string): () => void {
    return this.#subscribeTo(subject, group, onMessage);
  }

  #subscribeTo(subject: string, group: string | undefined, onMessage: BusSubscription["onMessage"]): () => void {
    const entry: BusSubscription = { subject, group, onMessage, subscription: undefined };
    this.#subscriptions.add(entry);
    const { connection } = this.#link;
    if (connection !== undefined) this.#attach(entry, connection);
    return () => {
      this.#subscriptions.delete(entry);
      const { subscription } = entry;
      if (subscription === undefined || subscription.isClosed()) return;
      if (group === undefined) subscription.unsubscribe();
      // Drains, because the server may assign messages to this group member until it has processed the unsubscribe.
      else subscription.drain().catch(ignore);
    };
  }

  /** Subscribes on a new connection. After a reconnect the library renews subscriptions itself. */
  #attach(entry: BusSubscription, connection: NatsConnection): void {
    if (entry.subscription?.isClosed() === false) return;
    const { group, onMessage, subject } = entry;
    entry.subscription = connection.subscribe(this.#toSubject(subject), {
      ...(group === undefined ? {} : { queue: group }),
      callback: (error, msg) => {
        if (error !== null) return;
        try {
          onMessage(msg.data, msg);
        } catch (cause) {
          // If rethrown, the exception would silently end the client library's reader.
          this.#options.events.onError(`handling a message of ${subject} failed: ${describeConnectFailure(cause)}`);
        }
      },
    });
  }

  #toSubject(subject: string): string {
    return `${this.#options.nats.prefix}.${CLUSTER_TOKEN}.${subject}`;
  }
}
