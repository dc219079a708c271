import type { Backend } from "../access/keys/backend.js";
import type { Client } from "../clients/client.js";
import type { Clients } from "../clients/clients.js";
import type { Cluster } from "../cluster/cluster.js";
import type { BrokerDirectory } from "../core/ports.js";
import { CarillonError, type ErrorCode } from "../errors.js";
import { checkTopics } from "./checks.js";
import { type PartialAnswer, sum } from "./connections.js";
import { checkTarget, findClients, type Target } from "./target.js";

export interface SubscriptionsOptions {
  readonly cluster: Cluster;
  readonly clients: Clients;
  readonly brokers: BrokerDirectory;
  /** Whether clients of the vhost may join the topic at all. */
  readonly exists: (vhost: string, topic: string) => boolean;
  /** Joins topics for a client regardless of its permissions, and notifies it. */
  readonly join: (client: Client, broker: string, topics: readonly string[]) => Promise<void>;
  /** Leaves topics for a client, and notifies it. */
  readonly leave: (client: Client, broker: string, topics: readonly string[]) => void;
}

export interface SubscriptionRequest {
  readonly target: Target | undefined;
  /** "" for the vhost's default. */
  readonly broker: string;
  readonly topics: readonly string[];
}

type Body = {
  readonly vhost: string;
  readonly target: Target;
  readonly broker: string;
  readonly topics: readonly string[];
};
/** Number of connections that joined, number of the target's connections, and the first failure. */
type JoinResult = { readonly count: number; readonly targeted: number; readonly failure: Failure | null };
type Failure = { readonly code: ErrorCode; readonly message: string };

const SUBSCRIBE = "connections.subscribe";
const UNSUBSCRIBE = "connections.unsubscribe";

/** Joins and leaves topics on behalf of clients, on all nodes. */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
    const { cluster } = options;
    cluster.handle(SUBSCRIBE, (body) => this.#subscribeHere(body as unknown as Body));
    cluster.handle(UNSUBSCRIBE, (body) => this.#unsubscribeHere(body as unknown as Body));
  }

  /**
   * Joins all topics or none for each connection.
   * @returns the number of connections that are now in the topics
   * @throws CarillonError not_found: a channel that is not open, where only open ones exist
   * @throws CarillonError the failure of a connection that could not join; others may have joined. Retrying is safe
   */
  async subscribe(backend: Backend, request: SubscriptionRequest): Promise<PartialAnswer<number>> {
    const body = await this.#body(backend, request);
    const absent = request.topics.find((topic) => !this.#options.exists(backend.vhost, topic));
    if (absent !== undefined) throw new CarillonError("not_found", `channel ${JSON.stringify(absent)} is not open`);
    const { answers, missing: missingNodes } = await this.#options.cluster.ask(SUBSCRIBE, body);
    const joined = [...answers.values()] as unknown as JoinResult[];
    const count = sum(joined.map((one) => one.count));
    const failure = joined.find((one) => one.failure !== null)?.failure ?? undefined;
    if (failure === undefined) return { value: count, missingNodes };
    const targeted = sum(joined.map((one) => one.targeted));
    throw new CarillonError(failure.code, `${failure.message} (${count} of ${targeted} connections have joined)`);
  }

  /** @returns the number of connections that are no longer in the topics */
  async unsubscribe(backend: Backend, request: SubscriptionRequest): Promise<PartialAnswer<number>> {
    const body = await this.#body(backend, request);
    const { answers, missing: missingNodes } = await this.#options.cluster.ask(UNSUBSCRIBE, body);
    return { value: sum(answers.values() as Iterable<number>), missingNodes };
  }

  /** @throws CarillonError invalid_argument, permission_denied; not_found: the broker */
  async #body(backend: Backend, { broker, target, topics }: SubscriptionRequest): Promise<Body> {
    const body = { vhost: backend.vhost, target: checkTarget(target), broker, topics };
    await checkTopics(backend, topics);
    this.#options.brokers.resolve(backend.vhost, broker);
    return body;
  }

  async #subscribeHere({ broker, target, topics, vhost }: Body): Promise<JoinResult> {
    const clients = findClients(this.#options.clients, vhost, target);
    const joins = await Promise.allSettled(clients.map((client) => this.#options.join(client, broker, topics)));
    const failed = joins.find((join) => join.status === "rejected");
    const count = joins.filter(({ status }) => status === "fulfilled").length;
    return { count, targeted: clients.length, failure: failed === undefined ? null : toFailure(failed.reason) };
  }

  #unsubscribeHere({ broker, target, topics, vhost }: Body): number {
    const clients = findClients(this.#options.clients, vhost, target);
    for (const client of clients) this.#options.leave(client, broker, topics);
    return clients.length;
  }
}

function toFailure(cause: unknown): Failure {
  const { code, message } = CarillonError.from(cause);
  return { code, message };
}
