import type { Backend } from "../access/keys/backend.js";
import type { Client } from "../clients/client.js";
import type { Clients } from "../clients/clients.js";
import type { Cluster } from "../cluster/cluster.js";
import type { BrokerDirectory } from "../core/ports.js";
import { CarillonError, type ErrorCode } from "../errors.js";
import { checkTopics } from "./checks.js";
import { type PartialAnswer, sum } from "./connections.js";
import { checkTarget, clientsOf, type Target } from "./target.js";

export interface SubscriptionsOptions {
  readonly cluster: Cluster;
  readonly clients: Clients;
  readonly brokers: BrokerDirectory;
  /** Whether clients of the vhost may join the topic at all. */
  readonly exists: (vhost: string, topic: string) => boolean;
  /** Joins topics for a client, whatever its permissions say, and tells it. */
  readonly join: (client: Client, broker: string, topics: readonly string[]) => Promise<void>;
  /** Leaves topics for a client, and tells it. */
  readonly leave: (client: Client, broker: string, topics: readonly string[]) => void;
}

export interface SubscriptionRequest {
  readonly target: Target | undefined;
  /** "": the vhost's default. */
  readonly broker: string;
  readonly topics: readonly string[];
}

type Body = {
  readonly vhost: string;
  readonly target: Target;
  readonly broker: string;
  readonly topics: readonly string[];
};
/** How many have joined, and why one has not. */
type Joined = { readonly count: number; readonly meant: number; readonly failure: Failure | null };
type Failure = { readonly code: ErrorCode; readonly message: string };

const SUBSCRIBE = "connections.subscribe";
const UNSUBSCRIBE = "connections.unsubscribe";

/** Joins and leaves on behalf of clients, on all nodes. */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
    const { cluster } = options;
    cluster.handle(SUBSCRIBE, (body) => this.#subscribeHere(body as unknown as Body));
    cluster.handle(UNSUBSCRIBE, (body) => this.#unsubscribeHere(body as unknown as Body));
  }

  /**
   * Each connection joins all of the topics or none.
   * @returns how many connections are in them now
   * @throws CarillonError not_found: a channel that is not open, where only open ones exist
   * @throws CarillonError the failure of a connection that could not join; others may have. Asking again does no harm
   */
  async subscribe(backend: Backend, request: SubscriptionRequest): Promise<PartialAnswer<number>> {
    const body = await this.#body(backend, request);
    const absent = request.topics.find((topic) => !this.#options.exists(backend.vhost, topic));
    if (absent !== undefined) throw new CarillonError("not_found", `no channel ${JSON.stringify(absent)} is open`);
    const { answers, missing } = await this.#options.cluster.ask(SUBSCRIBE, body);
    const joined = [...answers.values()] as unknown as Joined[];
    const count = sum(joined.map((one) => one.count));
    const failure = joined.find((one) => one.failure !== null)?.failure ?? undefined;
    if (failure === undefined) return { told: count, missing };
    const meant = sum(joined.map((one) => one.meant));
    throw new CarillonError(failure.code, `${failure.message} (${count} of ${meant} connections have joined)`);
  }

  /** @returns how many connections are not in them now */
  async unsubscribe(backend: Backend, request: SubscriptionRequest): Promise<PartialAnswer<number>> {
    const { answers, missing } = await this.#options.cluster.ask(UNSUBSCRIBE, await this.#body(backend, request));
    return { told: sum(answers.values() as Iterable<number>), missing };
  }

  /** @throws CarillonError invalid_argument, permission_denied, not_found (the broker) */
  async #body(backend: Backend, { broker, target, topics }: SubscriptionRequest): Promise<Body> {
    const body = { vhost: backend.vhost, target: checkTarget(target), broker, topics };
    await checkTopics(backend, topics);
    this.#options.brokers.resolve(backend.vhost, broker);
    return body;
  }

  async #subscribeHere({ broker, target, topics, vhost }: Body): Promise<Joined> {
    const clients = clientsOf(this.#options.clients, vhost, target);
    const joins = await Promise.allSettled(clients.map((client) => this.#options.join(client, broker, topics)));
    const failed = joins.find((join) => join.status === "rejected");
    const count = joins.filter(({ status }) => status === "fulfilled").length;
    return { count, meant: clients.length, failure: failed === undefined ? null : failureOf(failed.reason) };
  }

  #unsubscribeHere({ broker, target, topics, vhost }: Body): number {
    const clients = clientsOf(this.#options.clients, vhost, target);
    for (const client of clients) this.#options.leave(client, broker, topics);
    return clients.length;
  }
}

function failureOf(cause: unknown): Failure {
  const { code, message } = CarillonError.from(cause);
  return { code, message };
}
