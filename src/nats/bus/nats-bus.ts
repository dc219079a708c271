import { randomBytes } from "node:crypto";
import type { Msg, NatsConnection, Subscription } from "nats";
import type { Bus } from "../../cluster/bus.js";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { ignore } from "../../util/ignore.js";
import { ReportLimiter } from "../../util/report-limiter.js";
import { ConfirmationRounds } from "../link/confirmation-rounds.js";
import { describeConnectFailure, shownServers } from "../link/connect.js";
import { Link, type NatsEvents } from "../link/link.js";
import type { NatsOptions } from "../link/options.js";

/** Bytes after which the server is asked whether it has them. */
const ROUND_BYTES = 256 << 10;
/** Most bytes that the server has not said it has: two of the largest words. What comes beyond that is lost. */
const MAX_PENDING_BYTES = 64 << 20;

/** Follows the prefix, where topics have their vhost: no vhost's token begins so. */
const TOKEN = "$cluster";

/** Below it, and a token of its own for each bus, the server says what nobody listens to. */
const UNHEARD = "unheard";
/** What the server says then. Source: NATS client protocol, no responders. */
const NO_RESPONDERS = 503;

export interface NatsBusOptions {
  readonly nats: NatsOptions;
  readonly clock: Clock;
  readonly events: NatsEvents;
}

/** One subject that somebody listens to, and the library's subscription for it. */
interface Listener {
  readonly subject: string;
  readonly onMessage: (data: Uint8Array, msg: Msg) => void;
  readonly group: string | undefined;
  subscription: Subscription | undefined;
}

/** Words between nodes as plain NATS messages, over a connection of its own: topics' traffic does not hold them up. */
export class NatsBus implements Bus {
  readonly shared = true;
  readonly #options: NatsBusOptions;
  readonly #link: Link;
  readonly #rounds: ConfirmationRounds;
  readonly #listeners = new Set<Listener>();
  readonly #unheard = `${UNHEARD}.${randomBytes(8).toString("hex")}`;
  readonly #onUnheard: ((id: string) => void)[] = [];
  /** Sent since the server was asked last. */
  #sentBytes = 0;
  readonly #lost: ReportLimiter;

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
        this.#sentBytes = 0;
        this.#rounds.fail();
      },
      // The link tells of it as an error.
      onRefused: () => {},
    });
    this.#lost = new ReportLimiter({
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
      const text = `the cluster's NATS at ${shownServers(this.#options.nats)}: ${describeConnectFailure(cause)}`;
      throw new CarillonError("failed_precondition", text, { cause });
    }
  }

  async stop(deadline: number): Promise<void> {
    this.#lost.stop();
    await this.#link.stop(deadline, () => this.#rounds.confirm(0));
    this.#rounds.fail();
  }

  publish(subject: string, data: Uint8Array): void {
    this.#send(subject, data);
  }

  /** A message that can be replied to, and that nobody can hear, the server itself replies to. */
  offer(subject: string, data: Uint8Array, id: string): void {
    this.#send(subject, data, { reply: this.#subjectOf(`${this.#unheard}.${id}`) });
  }

  onUnheard(listener: (id: string) => void): void {
    if (this.#onUnheard.push(listener) > 1) return;
    this.#listen(`${this.#unheard}.*`, undefined, (_data, msg) => {
      if (msg.headers?.code !== NO_RESPONDERS) return;
      const id = msg.subject.slice(msg.subject.lastIndexOf(".") + 1);
      for (const tell of this.#onUnheard) tell(id);
    });
  }

  #send(subject: string, data: Uint8Array, options?: { readonly reply: string }): void {
    const { connection, up } = this.#link;
    // Until the server has taken in all subscriptions, others' answers would not be heard.
    if (!up || connection === undefined) return;
    if (this.#rounds.unconfirmedBytes + this.#sentBytes + data.length > MAX_PENDING_BYTES) {
      this.#complain(subject);
      return;
    }
    this.#count(data.length);
    try {
      connection.publish(this.#subjectOf(subject), data, options);
    } catch (error) {
      this.#options.events.onError(`a message of ${subject} was not sent: ${describeConnectFailure(error)}`);
    }
  }

  /** What the client library keeps for a server that does not read must not fill this node's memory (O6). */
  #count(bytes: number): void {
    this.#sentBytes += bytes;
    if (this.#sentBytes < ROUND_BYTES) return;
    this.#rounds.confirm(this.#sentBytes).catch(ignore);
    this.#sentBytes = 0;
  }

  #complain(subject: string): void {
    this.#lost.report("lost", () => {
      const text = `more than ${MAX_PENDING_BYTES} bytes wait for the cluster's NATS`;
      this.#options.events.onError(`a message of ${subject} was not sent: ${text}`);
    });
  }

  async flush(): Promise<void> {
    if (!this.up) throw new CarillonError("unavailable", "the cluster's NATS is not connected");
    await this.#rounds.confirm(0);
  }

  subscribe(subject: string, onMessage: (data: Uint8Array) => void, group?: string): () => void {
    return this.#listen(subject, group, onMessage);
  }

  #listen(subject: string, group: string | undefined, onMessage: Listener["onMessage"]): () => void {
    const listener: Listener = { subject, group, onMessage, subscription: undefined };
    this.#listeners.add(listener);
    const { connection } = this.#link;
    if (connection !== undefined) this.#attach(listener, connection);
    return () => {
      this.#listeners.delete(listener);
      const { subscription } = listener;
      if (subscription === undefined || subscription.isClosed()) return;
      if (group === undefined) subscription.unsubscribe();
      // What the server has chosen this one for is nobody else's: it is taken until the server knows of the end.
      else subscription.drain().catch(ignore);
    };
  }

  /** The library asks again by itself when it has reconnected; a new connection knows nothing. */
  #attach(listener: Listener, connection: NatsConnection): void {
    if (listener.subscription?.isClosed() === false) return;
    const { group, onMessage, subject } = listener;
    listener.subscription = connection.subscribe(this.#subjectOf(subject), {
      ...(group === undefined ? {} : { queue: group }),
      callback: (error, msg) => {
        if (error !== null) return;
        try {
          onMessage(msg.data, msg);
        } catch (fault) {
          // Thrown on, it would end the client library's reader without a trace.
          this.#options.events.onError(`taking a message of ${subject} failed: ${describeConnectFailure(fault)}`);
        }
      },
    });
  }

  #subjectOf(subject: string): string {
    return `${this.#options.nats.prefix}.${TOKEN}.${subject}`;
  }
}
