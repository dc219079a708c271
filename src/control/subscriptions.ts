import type { Backend } from "../access/keys/backend.js";
import { runInTurns, TURN_STEPS } from "../access/patterns/match-ahead.js";
import type { Client } from "../clients/client.js";
import type { Clients } from "../clients/clients.js";
import type { Cluster } from "../cluster/cluster.js";
import type { BrokerDirectory } from "../core/ports.js";
import { CarillonError, type ErrorCode } from "../errors.js";
import { ignore } from "../util/ignore.js";
import { checkTopics } from "./checks.js";
import { type PartialAnswer, sum } from "./connections.js";
import { checkTarget, findClients, isOpen, type Target } from "./target.js";

export interface SubscriptionsOptions {
  readonly cluster: Cluster;
  readonly clients: Clients;
  readonly brokers: BrokerDirectory;
  /** Returns whether the topic exists for the vhost's clients. */
  readonly exists: (vhost: string, topic: string) => boolean;
  /** Joins topics on a client's behalf, regardless of its permissions, and notifies it. */
  readonly join: (client: Client, broker: string, topics: readonly string[]) => Promise<void>;
  /** Leaves topics on a client's behalf, and notifies it. */
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
   * @throws CarillonError not_found: a channel that is not open, in a vhost with `opened_only`
   * @throws CarillonError the first failure of a connection that could not join. Others may have joined, so a retry is safe
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

  /** Leaves topics for each connection. @returns the number of connections that are no longer in the topics */
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

  async #subscribeHere(body: Body): Promise<JoinResult> {
    const { target, vhost } = body;
    const clients = findClients(this.#options.clients, vhost, target)[Symbol.iterator]();
    const joins: PromiseSettledResult<void>[] = [];
    for (let isDone = false; !isDone; ) {
      const slice = await runInTurns(queueOf(vhost), this.#beginJoins(clients, body));
      // All joins that wait for the same confirmation end in one turn, so a slice must end before the next begins.
      joins.push(...(await Promise.allSettled(slice.joins)));
      isDone = slice.isLast;
    }
    const failed = joins.find((join) => join.status === "rejected");
    const count = joins.filter(({ status }) => status === "fulfilled").length;
    return { count, targeted: joins.length, failure: failed === undefined ? null : toFailure(failed.reason) };
  }

  /** Begins the joins of one slice. */
  *#beginJoins(clients: Iterator<Client>, { broker, topics }: Body): Generator<number, JoinSlice> {
    const joins: Promise<void>[] = [];
    for (let steps = 0; steps < TURN_STEPS; ) {
      const { done, value: client } = clients.next();
      if (done === true) return { joins, isLast: true };
      if (!isOpen(client)) continue;
      const join = this.#options.join(client, broker, topics);
      // A join may be refused in an earlier turn than the one in which the slice ends and its rejection is handled.
      join.catch(ignore);
      joins.push(join);
      steps += stepsOf(topics);
      yield stepsOf(topics);
    }
    return { joins, isLast: false };
  }

  #unsubscribeHere(body: Body): Promise<number> {
    const clients = findClients(this.#options.clients, body.vhost, body.target);
    return runInTurns(queueOf(body.vhost), this.#leaveInParts(clients, body));
  }

  *#leaveInParts(clients: readonly Client[], { broker, topics }: Body): Generator<number, number> {
    for (const client of clients) {
      if (isOpen(client)) this.#options.leave(client, broker, topics);
      yield stepsOf(topics);
    }
    return clients.length;
  }
}

/** Pending joins of one slice, and whether it is the last one. */
interface JoinSlice {
  readonly joins: readonly Promise<void>[];
  readonly isLast: boolean;
}

/** Cost of a client's join or leave, and of each of its topics, in steps (rule A15). */
const CLIENT_STEPS = 2_000;
const TOPIC_STEPS = 500;

function stepsOf(topics: readonly string[]): number {
  return CLIENT_STEPS + TOPIC_STEPS * topics.length;
}

/** Returns the key of the queue for a vhost's joins and leaves. No vhost path contains a line feed, so keys are unique. */
function queueOf(vhost: string): string {
  return `${vhost}\nsubscriptions`;
}

function toFailure(cause: unknown): Failure {
  const { code, message } = CarillonError.from(cause);
  return { code, message };
}
