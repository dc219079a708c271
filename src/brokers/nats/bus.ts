import type { NatsConnection, Subscription } from "nats";
import type { Bus } from "../../cluster/bus.js";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { reasonOf, shownServers } from "./connect.js";
import { Link, type NatsEvents } from "./link.js";
import type { NatsOptions } from "./options.js";
import { Rounds } from "./rounds.js";

/** Follows the prefix, where topics have their vhost: no vhost's token begins so. */
const TOKEN = "$cluster";

export interface NatsBusOptions {
  readonly nats: NatsOptions;
  readonly clock: Clock;
  readonly events: NatsEvents;
}

/** One subject that somebody listens to, and the library's subscription for it. */
interface Listener {
  readonly subject: string;
  readonly onMessage: (data: Uint8Array) => void;
  subscription: Subscription | undefined;
}

/** Words between nodes as plain NATS messages, over a connection of its own: topics' traffic does not hold them up. */
export class NatsBus implements Bus {
  readonly shared = true;
  readonly #options: NatsBusOptions;
  readonly #link: Link;
  readonly #rounds: Rounds;
  readonly #listeners = new Set<Listener>();

  constructor(options: NatsBusOptions) {
    this.#options = options;
    const { clock, events, nats } = options;
    this.#link = new Link({
      nats,
      clock,
      events,
      onConnected: (connection) => {
        for (const listener of this.#listeners) this.#attach(listener, connection);
      },
      onLost: () => {
        this.#rounds.fail();
      },
      // The link tells of it as an error.
      onRefused: () => {},
    });
    this.#rounds = new Rounds({
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
      const text = `the cluster's NATS at ${shownServers(this.#options.nats)}: ${reasonOf(cause)}`;
      throw new CarillonError("failed_precondition", text, { cause });
    }
  }

  async stop(deadline: number): Promise<void> {
    await this.#link.stop(deadline, () => this.#rounds.confirm(0));
    this.#rounds.fail();
  }

  publish(subject: string, data: Uint8Array): void {
    const { connection, up } = this.#link;
    // Until the server has taken in all subscriptions, others' answers would not be heard.
    if (!up || connection === undefined) return;
    try {
      connection.publish(this.#subjectOf(subject), data);
    } catch (error) {
      this.#options.events.onError(`a message of ${subject} was not sent: ${reasonOf(error)}`);
    }
  }

  async flush(): Promise<void> {
    if (!this.up) throw new CarillonError("unavailable", "the cluster's NATS is not connected");
    await this.#rounds.confirm(0);
  }

  subscribe(subject: string, onMessage: (data: Uint8Array) => void): () => void {
    const listener: Listener = { subject, onMessage, subscription: undefined };
    this.#listeners.add(listener);
    const { connection } = this.#link;
    if (connection !== undefined) this.#attach(listener, connection);
    return () => {
      this.#listeners.delete(listener);
      if (listener.subscription?.isClosed() === false) listener.subscription.unsubscribe();
    };
  }

  /** The library asks again by itself when it has reconnected; a new connection knows nothing. */
  #attach(listener: Listener, connection: NatsConnection): void {
    if (listener.subscription?.isClosed() === false) return;
    const { onMessage, subject } = listener;
    listener.subscription = connection.subscribe(this.#subjectOf(subject), {
      callback: (error, msg) => {
        if (error !== null) return;
        try {
          onMessage(msg.data);
        } catch (fault) {
          // Thrown on, it would end the client library's reader without a trace.
          this.#options.events.onError(`taking a message of ${subject} failed: ${reasonOf(fault)}`);
        }
      },
    });
  }

  #subjectOf(subject: string): string {
    return `${this.#options.nats.prefix}.${TOKEN}.${subject}`;
  }
}
