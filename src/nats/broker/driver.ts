import type { Msg, MsgHdrs } from "nats";
import type { HistoryClass, HistoryStore } from "../../core/history.js";
import type { Message, MessageIds, Publication } from "../../core/message.js";
import type {
  BrokerDriver,
  BrokerLink,
  Clock,
  MessageReceiver,
  Published,
  Subscription,
  TopicSubscription,
} from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { ignore } from "../../util/ignore.js";
import { NatsHistory } from "../history/nats-history.js";
import { STORED_OVERHEAD_BYTES } from "../history/nats-stored-message.js";
import type { StoredPublication } from "../history/store-publisher.js";
import { ConfirmationRounds } from "../link/confirmation-rounds.js";
import { describeConnectFailure, formatServers } from "../link/connect.js";
import { Link, type NatsEvents } from "../link/link.js";
import type { NatsOptions } from "../link/options.js";
import type { NatsRefusal } from "../link/refusal.js";
import { computePublishedSize, NatsMessage, toHeaders } from "./metadata.js";
import { toSegment, toSubject } from "./subject.js";
import { SubjectSubscription } from "./subscription.js";
import { SubjectSubscriptions } from "./subscriptions.js";
import { NatsTopicSubscription } from "./topic-subscription.js";

export interface NatsDriverOptions {
  /** Name of the broker, for errors. */
  readonly name: string;
  readonly nats: NatsOptions;
  readonly ids: MessageIds;
  readonly clock: Clock;
  readonly events: NatsEvents;
  /** Interval at which each topic with history is compared with the store, in milliseconds. Default: 10 s. */
  readonly checkInterval?: number | undefined;
}

/**
 * Broker over a NATS server or cluster. Topics without history use core NATS only, so a disconnected node misses their messages;
 * those of topics with history are stored by JetStream.
 *
 * This class publishes and delivers; `Link` keeps the connection, `ConfirmationRounds` tracks confirmations, and `NatsHistory`
 * stores messages and reads them.
 */
export class NatsDriver implements BrokerDriver {
  readonly history: HistoryStore;
  readonly #options: NatsDriverOptions;
  readonly #link: Link;
  readonly #rounds: ConfirmationRounds<SubjectSubscription>;
  readonly #subscriptions: SubjectSubscriptions;
  readonly #history: NatsHistory;

  constructor(options: NatsDriverOptions) {
    const { checkInterval, clock, events, name, nats } = options;
    this.#options = options;
    this.#link = new Link({
      nats,
      clock,
      events,
      onConnected: (connection) => {
        this.#subscriptions.subscribeAll(connection);
      },
      onLost: () => {
        this.#rounds.fail();
        this.#history.publisher.failAll();
      },
      onRefused: (refusal) => {
        this.#onRefused(refusal);
      },
    });
    this.#rounds = new ConfirmationRounds({
      ping: () => this.#link.ping(),
      clock,
      timeout: nats.confirmTimeout,
      broker: name,
    });
    this.#subscriptions = new SubjectSubscriptions(this.#broker, this.#rounds);
    this.#history = new NatsHistory({
      broker: this.#broker,
      nats,
      checkInterval,
      clock,
      events,
      connection: () => (this.#link.up ? this.#link.connection : undefined),
      onOverdue: (bytes) => {
        this.#rounds.confirm(bytes).catch(ignore);
      },
    });
    this.history = this.#history.store;
  }

  get up(): boolean {
    return this.#link.up;
  }

  get link(): BrokerLink {
    return { reconnects: this.#link.reconnects, pendingBytes: this.#unconfirmedBytes };
  }

  async start(): Promise<void> {
    try {
      await this.#link.start();
    } catch (cause) {
      const text = `${this.#broker} at ${formatServers(this.#options.nats)}: ${describeConnectFailure(cause)}`;
      throw new CarillonError("failed_precondition", text, { cause });
    }
  }

  async stop(deadline: number): Promise<void> {
    await this.#link.stop(deadline, () => this.#rounds.confirm(0));
    this.#rounds.fail();
    await this.#history.stop();
  }

  subscribe(vhost: string, topic: string, receiver: MessageReceiver, history?: HistoryClass): TopicSubscription {
    const deliver = (message: Message): void => {
      receiver.deliver(message);
    };
    const createLog = (of: HistoryClass, hasMembers: boolean) =>
      this.#history.subscribe(vhost, topic, of, deliver, hasMembers);
    const subscription = new NatsTopicSubscription(deliver, createLog, history);
    const subject = toSubject(this.#options.nats.prefix, vhost, topic);
    const subscribed = this.#subscribeTo(
      topic,
      subject,
      (message, msg) => {
        subscription.receive(message, msg);
      },
      () => {
        subscription.onActive();
      },
    );
    subscription.attach(subscribed);
    return subscription;
  }

  subscribeBelow(vhost: string, topic: string, deliver: (name: string, message: Message) => void): Subscription {
    const parent = toSubject(this.#options.nats.prefix, vhost, topic);
    return this.#subscribeTo(topic, `${parent}.*`, (message, { subject }) => {
      deliver(`${topic}.${toSegment(subject.slice(parent.length + 1))}`, message);
    });
  }

  #subscribeTo(
    topic: string,
    subject: string,
    deliver: (message: Message, msg: Msg) => void,
    onConfirmed?: () => void,
  ): SubjectSubscription {
    const { clock, events, ids } = this.#options;
    const subscription = new SubjectSubscription(
      topic,
      subject,
      (msg) => {
        try {
          deliver(new NatsMessage(msg, ids, clock.now()), msg);
        } catch (cause) {
          // If rethrown, the exception would silently end the client library's reader.
          events.onError(`delivering a message of ${subject} failed: ${describeConnectFailure(cause)}`);
        }
      },
      (closed) => {
        this.#subscriptions.delete(closed);
      },
      onConfirmed,
    );
    this.#subscriptions.add(subscription, this.#link.connection);
    return subscription;
  }

  async settle(): Promise<void> {
    if (!this.up) throw this.#notConnected();
    await this.#rounds.confirm(0);
  }

  admit(publications: readonly Publication[]): void {
    if (!this.up) throw this.#notConnected();
    const maxPayload = this.#link.connection?.info?.max_payload ?? Number.POSITIVE_INFINITY;
    let bytes = this.#unconfirmedBytes;
    for (const { history, message, topic } of publications) {
      let size = computePublishedSize(message);
      if (history !== undefined) {
        size += STORED_OVERHEAD_BYTES + Buffer.byteLength(topic);
        checkStoredSize(size, topic, history);
      }
      bytes += size;
      if (size > maxPayload) {
        throw new CarillonError(
          "invalid_argument",
          `payload for topic ${JSON.stringify(topic)}: ${message.payload.length} bytes plus metadata exceed the ${maxPayload} that ${this.#broker} accepts (max_payload)`,
        );
      }
    }
    const { pendingBytes } = this.#options.nats;
    if (bytes > pendingBytes) {
      const text = `${this.#broker} is behind: ${bytes} bytes would be pending, the limit is ${pendingBytes}`;
      throw new CarillonError("resource_exhausted", text);
    }
  }

  async publish(publications: readonly Publication[]): Promise<Published> {
    if (!publications.some(isStored)) return this.#publishPlain(publications);
    const plain = publications.filter((publication) => !isStored(publication));
    if (!this.up) throw this.#notConnected();
    const storing = this.#history.publisher.publish(publications.filter(isStored));
    if (plain.length === 0) return { stage: "stored", stored: await storing };
    const [{ stage }, stored] = await Promise.all([this.#publishPlain(plain), storing]);
    return { stage, stored };
  }

  async #publishPlain(publications: readonly Publication[]): Promise<Published> {
    const bytes = this.#send(publications);
    const { refusedSubjects } = await this.#rounds.confirm(bytes);
    if (refusedSubjects.size > 0) this.#checkRefused(publications, refusedSubjects);
    return { stage: "flushed", stored: NOTHING_STORED };
  }

  /** Publishes, and returns the number of bytes written to the connection. */
  #send(publications: readonly Publication[]): number {
    const { connection, up } = this.#link;
    if (!up || connection === undefined) throw this.#notConnected();
    const { prefix } = this.#options.nats;
    let bytes = 0;
    let last: Message | undefined;
    let size = 0;
    let options: { readonly headers?: MsgHdrs } = {};
    try {
      for (const { message, topic, vhost } of publications) {
        // Publications of the same message are adjacent, so its headers are created once.
        if (message !== last) {
          last = message;
          size = computePublishedSize(message);
          options = { headers: toHeaders(message) };
        }
        connection.publish(toSubject(prefix, vhost, topic), message.payload, options);
        bytes += size;
      }
    } catch (cause) {
      const text = `${this.#broker} accepted only part of the request: ${describeConnectFailure(cause)}`;
      throw new CarillonError("unavailable", text, { cause });
    }
    return bytes;
  }

  #checkRefused(publications: readonly Publication[], refused: ReadonlySet<string>): void {
    const { prefix } = this.#options.nats;
    for (const { topic, vhost } of publications) {
      if (!refused.has(toSubject(prefix, vhost, topic))) continue;
      const text = `${this.#broker} does not permit this node to publish on topic ${JSON.stringify(topic)}`;
      throw new CarillonError("permission_denied", text);
    }
  }

  #onRefused(refusal: NatsRefusal): void {
    if (refusal.operation === "publish") {
      this.#rounds.refuse(refusal.subject);
      this.#history.publisher.refuse(refusal.subject);
    } else if (refusal.operation === "subscribe") this.#subscriptions.refuse(refusal.subject);
    else this.#subscriptions.refuseUnconfirmed(refusal.text);
  }

  get #unconfirmedBytes(): number {
    return this.#rounds.unconfirmedBytes + this.#history.publisher.pendingBytes;
  }

  get #broker(): string {
    return `broker ${JSON.stringify(this.#options.name)}`;
  }

  #notConnected(): CarillonError {
    return new CarillonError("unavailable", `${this.#broker} is not connected`);
  }
}

/** @throws CarillonError invalid_argument: the class could not keep the message */
function checkStoredSize(size: number, topic: string, { bytes, topicBytes = bytes }: HistoryClass): void {
  const limit = Math.min(bytes, topicBytes);
  if (size <= limit) return;
  const text = `payload for topic ${JSON.stringify(topic)}: ${size} bytes with metadata, the limit of its history is ${limit}`;
  throw new CarillonError("invalid_argument", text);
}

const NOTHING_STORED: Published["stored"] = new Map();

function isStored(publication: Publication): publication is StoredPublication {
  return publication.history !== undefined;
}
