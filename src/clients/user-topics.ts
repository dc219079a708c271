import type { FanOut } from "../core/fan-out.js";
import type { Message } from "../core/message.js";
import type { BrokerDirectory, BrokerDriver, Encoding, NamedBroker, Subscription } from "../core/ports.js";
import type { Traffic, TrafficCounts } from "../core/traffic.js";
import { connectionOfTopic, connectionTopics, userTopic } from "../core/user-topic.js";
import { CarillonError } from "../errors.js";
import { ignore } from "../util/ignore.js";
import type { Client } from "./client.js";
import type { Clients } from "./clients.js";

export interface UserTopicsOptions {
  /** Common prefix of the ids of this node's connections: the part before the dot. */
  readonly node: string;
  readonly clients: Clients;
  readonly brokers: BrokerDirectory;
  readonly fanOut: FanOut;
  readonly traffic: TrafficCounts;
  /** Called once for each vhost whose broker refuses a subscription or is missing; for the log. */
  readonly onRefused: (vhost: string, refusal: CarillonError) => void;
}

/** Cost of changing a subscription, in steps (rule A15). */
const SUBSCRIBE_STEPS = 2_000;

/** Subscription at a vhost's default broker. */
interface Interest {
  readonly driver: BrokerDriver;
  readonly subscription: Subscription;
}

/** A message on its way to the connections of a user, or to one connection. */
interface Delivery {
  readonly vhost: string;
  readonly broker: string;
  readonly topic: string;
  readonly message: Message;
  readonly traffic: Traffic;
}

/**
 * Delivers messages published to the topic of a user, `$user.ID`, or of a connection, `$connection.ID`. A node subscribes to
 * a user's topic while the user is connected to it. One subscription in each vhost serves the topics of all the node's
 * connections, so a client without a user needs none of its own.
 */
export class UserTopics {
  readonly #options: UserTopicsOptions;
  /** By vhost and user. */
  readonly #users = new Map<string, Map<string, Interest>>();
  /** By vhost. */
  readonly #connections = new Map<string, { interest: Interest | undefined; clients: number }>();
  /** Vhosts with a reported refusal. */
  readonly #reported = new Set<string>();

  constructor(options: UserTopicsOptions) {
    this.#options = options;
    options.clients.listen({
      onOpened: (client) => {
        this.#open(client.vhost.name);
        this.#subscribeUser(client.vhost.name, client.principal.user);
      },
      onClosed: (client) => {
        this.#close(client.vhost.name);
        this.#unsubscribeUser(client.vhost.name, client.principal.user);
      },
      onChanged: ({ principal: { user }, vhost }, { user: before }) => {
        if (user === before) return;
        this.#subscribeUser(vhost.name, user);
        this.#unsubscribeUser(vhost.name, before);
      },
    });
  }

  /**
   * Resolves when the broker has confirmed the subscriptions for the client, or is disconnected. Clients can therefore connect
   * while the broker is disconnected.
   */
  async confirmed({ vhost }: Client): Promise<void> {
    await this.#findBroker(vhost.name)?.driver.settle().catch(ignore);
  }

  /**
   * Moves the subscriptions to the vhost's default broker after it may have changed. Yields the steps of each part (rule
   * A15); users connect and disconnect between the parts.
   */
  *refresh(vhost: string): Generator<number, void> {
    const known = this.#connections.get(vhost);
    if (known === undefined || known.interest?.driver === this.#findBroker(vhost)?.driver) return;
    known.interest?.subscription.close();
    known.interest = this.#subscribeConnections(vhost);
    const users = [...(this.#users.get(vhost)?.keys() ?? [])];
    for (const user of users) {
      this.#resubscribeUser(vhost, user);
      yield SUBSCRIBE_STEPS;
    }
  }

  /** Moves a user's subscription to the current default broker. */
  #resubscribeUser(vhost: string, user: string): void {
    const users = this.#users.get(vhost);
    const interest = users?.get(user);
    if (users === undefined || interest === undefined || interest.driver === this.#findBroker(vhost)?.driver) return;
    interest.subscription.close();
    users.delete(user);
    if (users.size === 0) this.#users.delete(vhost);
    this.#subscribeUser(vhost, user);
  }

  #open(vhost: string): void {
    const known = this.#connections.get(vhost);
    if (known === undefined) this.#connections.set(vhost, { interest: this.#subscribeConnections(vhost), clients: 1 });
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

  #subscribeUser(vhost: string, user: string | undefined): void {
    const users = this.#users.get(vhost) ?? new Map<string, Interest>();
    const broker = this.#findBroker(vhost);
    if (user === undefined || users.has(user) || broker === undefined) return;
    this.#users.set(vhost, users);
    const { driver, name } = broker;
    const topic = userTopic(user);
    const traffic = this.#options.traffic.of(vhost, name);
    const subscription = driver.subscribe(vhost, topic, {
      deliver: (message) => {
        this.#deliver(this.#options.clients.ofUser(vhost, user), { vhost, broker: name, topic, message, traffic });
      },
    });
    users.set(user, { driver, subscription });
    void this.#watchRefusal(vhost, { driver, subscription });
  }

  #unsubscribeUser(vhost: string, user: string | undefined): void {
    if (user === undefined || this.#options.clients.ofUser(vhost, user).size > 0) return;
    const users = this.#users.get(vhost);
    users?.get(user)?.subscription.close();
    users?.delete(user);
    if (users?.size === 0) this.#users.delete(vhost);
  }

  #subscribeConnections(vhost: string): Interest | undefined {
    const { clients, node } = this.#options;
    const broker = this.#findBroker(vhost);
    if (broker === undefined) return undefined;
    const { driver, name } = broker;
    const traffic = this.#options.traffic.of(vhost, name);
    const subscription = driver.subscribeBelow(vhost, connectionTopics(node), (topic, message) => {
      const client = clients.get(connectionOfTopic(topic));
      if (client?.vhost.name === vhost) this.#deliver([client], { vhost, broker: name, topic, message, traffic });
    });
    const interest = { driver, subscription };
    void this.#watchRefusal(vhost, interest);
    return interest;
  }

  /** Reports a refused subscription, because no client's request fails that would show it. */
  async #watchRefusal(vhost: string, { driver, subscription }: Interest): Promise<void> {
    await driver.settle().catch(ignore);
    if (subscription.refusal !== undefined) this.#reportRefusal(vhost, subscription.refusal);
  }

  #deliver(clients: Iterable<Client>, { broker, message, topic, traffic, vhost }: Delivery): void {
    traffic.received += 1;
    let sessions = 0;
    const frames = new Map<Encoding, Uint8Array>();
    for (const { session } of clients) {
      if (!session.open) continue;
      const frame = frames.get(session.encoding) ?? toFrame(session.encoding, topic, message);
      frames.set(session.encoding, frame);
      this.#options.fanOut.sendMessage(session, frame, traffic);
      sessions += 1;
    }
    this.#options.fanOut.trace({ vhost, broker, topic, message, sessions, encodings: frames.size });
  }

  /** Returns the vhost's default broker; undefined if this node lacks that broker, so that joins fail too. */
  #findBroker(vhost: string): NamedBroker | undefined {
    try {
      return this.#options.brokers.resolve(vhost, "");
    } catch (error) {
      if (!(error instanceof CarillonError)) throw error;
      this.#reportRefusal(vhost, error);
      return undefined;
    }
  }

  #reportRefusal(vhost: string, refusal: CarillonError): void {
    if (this.#reported.has(vhost)) return;
    this.#reported.add(vhost);
    this.#options.onRefused(vhost, refusal);
  }
}

function toFrame(encoding: Encoding, topic: string, message: Message): Uint8Array {
  return encoding.frame(message, encoding.topicText(topic));
}
