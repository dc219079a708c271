import type { FanOut } from "../core/fan-out.js";
import type { Message } from "../core/message.js";
import type { BrokerDirectory, BrokerDriver, Encoding, Subscription } from "../core/ports.js";
import { connectionOfTopic, connectionTopics, userTopic } from "../core/user-topic.js";
import { CarillonError } from "../errors.js";
import { ignore } from "../util/ignore.js";
import type { Client } from "./client.js";
import type { Clients } from "./clients.js";

export interface UserTopicsOptions {
  /** What the ids of this node's connections begin with, before a dot. */
  readonly node: string;
  readonly clients: Clients;
  readonly brokers: BrokerDirectory;
  readonly fanOut: FanOut;
  /** Told once for each vhost that the broker does not let this node hear something. */
  readonly onRefused: (vhost: string, refusal: CarillonError) => void;
}

/** Cost of changing a subscription, in steps (rule A15). */
const SUBSCRIBE_STEPS = 2_000;

/** What this node hears of a vhost's default broker. */
interface Interest {
  readonly driver: BrokerDriver;
  readonly subscription: Subscription;
}

/**
 * Brings clients what is published for a user, `$user.ID`, or for a connection, `$connection.ID`. A node hears a user's topic
 * for as long as the user is connected to it, and with one subscription those of all its connections in a vhost. A client
 * without a user costs nothing.
 */
export class UserTopics {
  readonly #options: UserTopicsOptions;
  /** By vhost and user. */
  readonly #users = new Map<string, Map<string, Interest>>();
  /** By vhost. */
  readonly #connections = new Map<string, { interest: Interest | undefined; clients: number }>();
  /** Vhosts of which a refusal has been told. */
  readonly #told = new Set<string>();

  constructor(options: UserTopicsOptions) {
    this.#options = options;
    options.clients.listen({
      onOpened: (client) => {
        this.#open(client.vhost.name);
        this.#hear(client.vhost.name, client.principal.user);
      },
      onClosed: (client) => {
        this.#close(client.vhost.name);
        this.#letGo(client.vhost.name, client.principal.user);
      },
      onChanged: ({ principal: { user }, vhost }, { user: before }) => {
        if (user === before) return;
        this.#hear(vhost.name, user);
        this.#letGo(vhost.name, before);
      },
    });
  }

  /**
   * Resolves when the broker has confirmed that the client's topics are heard, or is away: nobody is kept from anything by
   * that.
   */
  async confirmed({ vhost }: Client): Promise<void> {
    await this.#driverOf(vhost.name)?.settle().catch(ignore);
  }

  /** The vhost's default broker may be another one. Parts yield their steps (rule A15): users come and go between them. */
  *refresh(vhost: string): Generator<number, void> {
    const known = this.#connections.get(vhost);
    if (known === undefined || known.interest?.driver === this.#driverOf(vhost)) return;
    known.interest?.subscription.close();
    known.interest = this.#connectionsOf(vhost);
    const users = [...(this.#users.get(vhost)?.keys() ?? [])];
    for (const user of users) {
      this.#hearAnew(vhost, user);
      yield SUBSCRIBE_STEPS;
    }
  }

  /** From the broker that is the vhost's default now. */
  #hearAnew(vhost: string, user: string): void {
    const users = this.#users.get(vhost);
    const interest = users?.get(user);
    if (users === undefined || interest === undefined || interest.driver === this.#driverOf(vhost)) return;
    interest.subscription.close();
    users.delete(user);
    if (users.size === 0) this.#users.delete(vhost);
    this.#hear(vhost, user);
  }

  #open(vhost: string): void {
    const known = this.#connections.get(vhost);
    if (known === undefined) this.#connections.set(vhost, { interest: this.#connectionsOf(vhost), clients: 1 });
    else known.clients += 1;
  }

  #close(vhost: string): void {
    const known = this.#connections.get(vhost);
    if (known === undefined) return;
    known.clients -= 1;
    if (known.clients > 0) return;
    known.interest?.subscription.close();
    this.#connections.delete(vhost);
  }

  #hear(vhost: string, user: string | undefined): void {
    const users = this.#users.get(vhost) ?? new Map<string, Interest>();
    const driver = this.#driverOf(vhost);
    if (user === undefined || users.has(user) || driver === undefined) return;
    this.#users.set(vhost, users);
    const topic = userTopic(user);
    const subscription = driver.subscribe(vhost, topic, (message) => {
      this.#deliver(this.#options.clients.ofUser(vhost, user), topic, message);
    });
    users.set(user, { driver, subscription });
    void this.#look(vhost, { driver, subscription });
  }

  #letGo(vhost: string, user: string | undefined): void {
    if (user === undefined || this.#options.clients.ofUser(vhost, user).size > 0) return;
    const users = this.#users.get(vhost);
    users?.get(user)?.subscription.close();
    users?.delete(user);
    if (users?.size === 0) this.#users.delete(vhost);
  }

  #connectionsOf(vhost: string): Interest | undefined {
    const { clients, node } = this.#options;
    const driver = this.#driverOf(vhost);
    if (driver === undefined) return undefined;
    const subscription = driver.subscribeBelow(vhost, connectionTopics(node), (topic, message) => {
      const client = clients.get(connectionOfTopic(topic));
      if (client?.vhost.name === vhost) this.#deliver([client], topic, message);
    });
    const interest = { driver, subscription };
    void this.#look(vhost, interest);
    return interest;
  }

  /** No client is refused anything for that, so it has to be said somewhere. */
  async #look(vhost: string, { driver, subscription }: Interest): Promise<void> {
    await driver.settle().catch(ignore);
    if (subscription.refusal !== undefined) this.#tellRefused(vhost, subscription.refusal);
  }

  #deliver(clients: Iterable<Client>, topic: string, message: Message): void {
    const frames = new Map<Encoding, Uint8Array>();
    for (const { session } of clients) {
      if (!session.open) continue;
      const frame = frames.get(session.encoding) ?? session.encoding.frameMaker(topic)(message);
      frames.set(session.encoding, frame);
      this.#options.fanOut.sendMessage(session, frame);
    }
  }

  /** Undefined where this node lacks the vhost's broker: joins there are refused, and nothing is heard. */
  #driverOf(vhost: string): BrokerDriver | undefined {
    try {
      return this.#options.brokers.resolve(vhost, "").driver;
    } catch (error) {
      if (!(error instanceof CarillonError)) throw error;
      this.#tellRefused(vhost, error);
      return undefined;
    }
  }

  #tellRefused(vhost: string, refusal: CarillonError): void {
    if (this.#told.has(vhost)) return;
    this.#told.add(vhost);
    this.#options.onRefused(vhost, refusal);
  }
}
