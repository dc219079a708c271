import type { Msg, MsgHdrs } from "nats";
import type { Message, MessageIds, Publication, Stage } from "../../core/message.js";
import type { BrokerDriver, Clock, Subscription } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { ConfirmationRounds } from "../link/confirmation-rounds.js";
import { describeConnectFailure, shownServers } from "../link/connect.js";
import { Link, type NatsEvents } from "../link/link.js";
import type { NatsOptions } from "../link/options.js";
import type { NatsRefusal } from "../link/refusal.js";
import { NatsMessage, publishedSize, toHeaders } from "./metadata.js";
import { toSegment, toSubject } from "./subject.js";
import { TopicSubscription } from "./subscription.js";
import { TopicSubscriptions } from "./subscriptions.js";

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
 * Here is what goes out and comes in; the connection is the link's affair, and what the server has confirmed the rounds'.
 */
export class NatsDriver implements BrokerDriver {
  readonly #options: NatsDriverOptions;
  readonly #link: Link;
  readonly #rounds: ConfirmationRounds<TopicSubscription>;
  readonly #listeners: TopicSubscriptions;

  constructor(options: NatsDriverOptions) {
    const { clock, events, name, nats } = options;
    this.#options = options;
    this.#link = new Link({
      nats,
      clock,
      events,
      onConnected: (connection) => {
        this.#listeners.askForAll(connection);
      },
      onLost: () => {
        this.#rounds.fail();
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
    this.#listeners = new TopicSubscriptions(this.#broker, this.#rounds);
  }

  get up(): boolean {
    return this.#link.up;
  }

  async start(): Promise<void> {
    try {
      await this.#link.start();
    } catch (cause) {
      const text = `${this.#broker} at ${shownServers(this.#options.nats)}: ${describeConnectFailure(cause)}`;
      throw new CarillonError("failed_precondition", text, { cause });
    }
  }

  async stop(deadline: number): Promise<void> {
    await this.#link.stop(deadline, () => this.#rounds.confirm(0));
    this.#rounds.fail();
  }

  subscribe(vhost: string, topic: string, deliver: (message: Message) => void): Subscription {
    return this.#listen(topic, toSubject(this.#options.nats.prefix, vhost, topic), deliver);
  }

  subscribeBelow(vhost: string, topic: string, deliver: (name: string, message: Message) => void): Subscription {
    const above = toSubject(this.#options.nats.prefix, vhost, topic);
    return this.#listen(topic, `${above}.*`, (message, { subject }) => {
      deliver(`${topic}.${toSegment(subject.slice(above.length + 1))}`, message);
    });
  }

  #listen(topic: string, subject: string, deliver: (message: Message, msg: Msg) => void): Subscription {
    const { clock, events, ids } = this.#options;
    const listener = new TopicSubscription(
      topic,
      subject,
      (msg) => {
        try {
          deliver(new NatsMessage(msg, ids, clock.now()), msg);
        } catch (fault) {
          // Thrown on, it would end the client library's reader without a trace.
          events.onError(`delivering a message of ${subject} failed: ${describeConnectFailure(fault)}`);
        }
      },
      (closed) => {
        this.#listeners.delete(closed);
      },
    );
    this.#listeners.add(listener, this.#link.connection);
    return listener;
  }

  async settle(): Promise<void> {
    if (!this.up) throw this.#away();
    await this.#rounds.confirm(0);
  }

  admit(publications: readonly Publication[]): void {
    if (!this.up) throw this.#away();
    const largest = this.#link.connection?.info?.max_payload ?? Number.POSITIVE_INFINITY;
    let bytes = this.#rounds.unconfirmedBytes;
    for (const { message, topic } of publications) {
      const size = publishedSize(message);
      bytes += size;
      if (size > largest) {
        throw new CarillonError(
          "invalid_argument",
          `payload for topic ${JSON.stringify(topic)}: ${message.payload.length} bytes and their metadata are more than the ${largest} that ${this.#broker} takes (max_payload)`,
        );
      }
    }
    const { pendingBytes } = this.#options.nats;
    if (bytes > pendingBytes) {
      const text = `${this.#broker} is behind: ${bytes} bytes would wait for it, the limit is ${pendingBytes}`;
      throw new CarillonError("resource_exhausted", text);
    }
  }

  async publish(publications: readonly Publication[]): Promise<Stage> {
    const bytes = this.#send(publications);
    const { refusedSubjects } = await this.#rounds.confirm(bytes);
    if (refusedSubjects.size > 0) this.#checkRefused(publications, refusedSubjects);
    return "flushed";
  }

  /** @returns how many bytes were handed to the connection */
  #send(publications: readonly Publication[]): number {
    const { connection, up } = this.#link;
    if (!up || connection === undefined) throw this.#away();
    const { prefix } = this.#options.nats;
    let bytes = 0;
    let last: Message | undefined;
    let size = 0;
    let options: { readonly headers?: MsgHdrs } = {};
    try {
      for (const { message, topic, vhost } of publications) {
        // One message for many topics comes in a row: its headers are made once.
        if (message !== last) {
          last = message;
          size = publishedSize(message);
          options = { headers: toHeaders(message) };
        }
        connection.publish(toSubject(prefix, vhost, topic), message.payload, options);
        bytes += size;
      }
    } catch (cause) {
      const text = `${this.#broker} took only part of the request: ${describeConnectFailure(cause)}`;
      throw new CarillonError("unavailable", text, { cause });
    }
    return bytes;
  }

  #checkRefused(publications: readonly Publication[], refused: ReadonlySet<string>): void {
    const { prefix } = this.#options.nats;
    for (const { topic, vhost } of publications) {
      if (!refused.has(toSubject(prefix, vhost, topic))) continue;
      const text = `${this.#broker} does not let this node publish on topic ${JSON.stringify(topic)}`;
      throw new CarillonError("permission_denied", text);
    }
  }

  #onRefused(refusal: NatsRefusal): void {
    if (refusal.operation === "publish") this.#rounds.refuse(refusal.subject);
    else if (refusal.operation === "subscribe") this.#listeners.refuse(refusal.subject);
    else this.#listeners.refuseUnconfirmed(refusal.words);
  }

  get #broker(): string {
    return `broker ${JSON.stringify(this.#options.name)}`;
  }

  #away(): CarillonError {
    return new CarillonError("unavailable", `${this.#broker} is not connected`);
  }
}
