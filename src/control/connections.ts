import type { Backend } from "../access/keys/backend.js";
import { matchScopeAhead, runInTurns } from "../access/patterns/match-ahead.js";
import type { Client } from "../clients/client.js";
import type { Clients } from "../clients/clients.js";
import type { Cluster } from "../cluster/cluster.js";
import { fromSessionUuid } from "../core/session-uuid.js";
import type { TopicIndex } from "../core/topic-index.js";
import { CarillonError, type ChosenClose, invalidArgument, WEBSOCKET_CLOSE } from "../errors.js";
import { checkLength, checkPresent, checkTopic } from "./checks.js";
import { type ConnectionInfo, connectionInfoId, toConnectionInfo } from "./connection-info.js";
import { mergePages, type NodePage, type Page, type PageQuery, pageInSteps, readPageQuery } from "./pagination.js";
import { checkTarget, findClients, isOpen, type Target } from "./target.js";

export interface ConnectionsOptions {
  readonly cluster: Cluster;
  readonly clients: Clients;
  readonly index: TopicIndex;
}

/** Result of a request to all nodes. It is incomplete if nodes are missing. */
export interface PartialAnswer<T> {
  readonly value: T;
  /** Nodes that did not answer. */
  readonly missingNodes: readonly string[];
}

export interface ListConnections {
  /** "" for all. */
  readonly user: string;
  /** "" for all. */
  readonly topic: string;
  /** Beginning of the addresses. Default: all. */
  readonly address?: string;
  /** Default: all. */
  readonly dialect?: string;
  readonly pageSize: number;
  readonly pageToken: string;
}

type BrokerTopic = { readonly broker: string; readonly topic: string };
type ConnectionWithTopics = {
  readonly connection: ConnectionInfo;
  readonly topics: readonly BrokerTopic[];
  /** Unset by nodes of older versions. */
  readonly permissions?: Readonly<Record<string, readonly string[]>>;
};

/** A node of an older version sends no address and no dialect. */
type SentFilter = Pick<ListConnections, "user" | "topic" | "address" | "dialect">;
type ListBody = SentFilter & { readonly vhost: string; readonly page: PageQuery };
type OneBody = { readonly vhost: string; readonly id: string };
type CloseBody = {
  readonly vhost: string;
  readonly target: Target;
  readonly code: number;
  readonly text: string;
};

const LIST = "connections.list";
const GET = "connections.get";
const DISCONNECT = "connections.disconnect";

/** Maximum length of a close frame's text, in bytes. Source: RFC 6455 §5.5. */
const MAX_REASON = 123;

/** Lists, finds and closes connections of a vhost, on all nodes. */
export class Connections {
  readonly #cluster: Cluster;
  readonly #clients: Clients;
  readonly #index: TopicIndex;

  constructor({ clients, cluster, index }: ConnectionsOptions) {
    this.#cluster = cluster;
    this.#clients = clients;
    this.#index = index;
    cluster.handle(LIST, (body) => this.#listHere(body as unknown as ListBody));
    cluster.handle(GET, (body) => this.#getHere(body as unknown as OneBody));
    cluster.handle(DISCONNECT, (body) => this.#disconnectHere(body as unknown as CloseBody));
  }

  /** Lists connections. @throws CarillonError invalid_argument; permission_denied: the backend may not use the topic */
  async list(backend: Backend, request: ListConnections): Promise<PartialAnswer<Page<ConnectionInfo>>> {
    const { address = "", dialect = "", pageSize, pageToken, topic, user } = request;
    checkLength("user", user);
    checkLength("address", address);
    checkLength("dialect", dialect);
    if (topic !== "") checkTopic(backend, "topic", topic);
    const page = readPageQuery(pageSize, pageToken);
    const { answers, missing: missingNodes } = await this.#cluster.ask(LIST, {
      vhost: backend.vhost,
      user,
      topic,
      address,
      dialect,
      page,
    });
    const parts = [...answers.values()] as unknown as NodePage<ConnectionInfo>[];
    return { value: mergePages(parts, connectionInfoId, page.size, (one) => one), missingNodes };
  }

  /**
   * Finds a connection, with those of its topics that the backend may use.
   * @param id - the connection's id or its UUID (X1)
   * @throws CarillonError not_found; unavailable: it may be on a node that did not answer
   */
  async get(backend: Backend, id: string): Promise<ConnectionWithTopics> {
    checkPresent("id", id);
    const { answers, missing } = await this.#cluster.ask(GET, { vhost: backend.vhost, id: fromSessionUuid(id) });
    const found = [...answers.values()].find((answer) => answer !== null) as ConnectionWithTopics | undefined;
    if (found !== undefined) {
      const names = found.topics.map(({ topic }) => topic);
      await matchScopeAhead(backend, names);
      return { ...found, topics: found.topics.filter(({ topic }) => backend.mayUse(topic)) };
    }
    const text = `unknown connection ${JSON.stringify(id)}`;
    if (missing.length === 0) throw new CarillonError("not_found", text);
    throw new CarillonError("unavailable", `${text} on the nodes that answered; missing nodes: ${missing.join(", ")}`);
  }

  /**
   * Closes connections after sending their queued messages.
   * @param code - close code: 1000, or 3000 to 4999; 0 for the default, 4403
   * @returns the number of connections closed
   */
  async disconnect(
    { vhost }: Pick<Backend, "vhost">,
    requested: Target | undefined,
    { code, text }: ChosenClose,
  ): Promise<PartialAnswer<number>> {
    const target = checkTarget(requested);
    if (code !== 0 && code !== 1_000 && !(code >= 3_000 && code <= 4_999)) {
      throw invalidArgument(`code: expected 1000, or 3000 to 4999, got ${code}`);
    }
    checkLength("reason", text, MAX_REASON);
    const { answers, missing: missingNodes } = await this.#cluster.ask(DISCONNECT, { vhost, target, code, text });
    return { value: sum(answers.values() as Iterable<number>), missingNodes };
  }

  #listHere({ page, vhost, ...filter }: ListBody): Promise<NodePage<ConnectionInfo>> {
    const source = {
      keyOf: ({ session }: Client) => session.id,
      itemOf: (client: Client) => toConnectionInfo(client, this.#cluster.node),
    };
    return runInTurns(vhost, pageInSteps(this.#findOpen(vhost, filter), source, page));
  }

  *#findOpen(vhost: string, { address = "", dialect = "", topic, user }: SentFilter): Generator<Client> {
    for (const client of this.#findCandidates(vhost, user, topic)) {
      const { origin } = client;
      const matches = origin.address.startsWith(address) && (dialect === "" || origin.dialect === dialect);
      if (matches && isOpen(client)) yield client;
    }
  }

  #findCandidates(vhost: string, user: string, topic: string): Iterable<Client> {
    if (topic !== "") return this.#findInTopic(vhost, user, topic);
    return user === "" ? this.#clients.all(vhost) : this.#clients.ofUser(vhost, user);
  }

  *#findInTopic(vhost: string, user: string, name: string): Generator<Client> {
    const seen = new Set<Client>();
    for (const topic of this.#index.named(vhost, name)) {
      for (const { members } of topic.groups) {
        for (const { id } of members) {
          const client = this.#clients.get(id);
          // A client may be in topics of this name on several brokers.
          if (client === undefined || seen.has(client)) continue;
          seen.add(client);
          if (user === "" || client.principal.user === user) yield client;
        }
      }
    }
  }

  #getHere({ id, vhost }: OneBody): ConnectionWithTopics | null {
    const [client] = findClients(this.#clients, vhost, { connectionId: id });
    if (client === undefined) return null;
    const topics = [...client.session.memberships.keys()].map(({ broker, name }) => ({ broker, topic: name }));
    const { grants } = client.principal.permissions;
    const permissions = Object.fromEntries(Object.entries(grants).map(([action, patterns = []]) => [action, patterns]));
    return { connection: toConnectionInfo(client, this.#cluster.node), topics, permissions };
  }

  async #disconnectHere({ code, target, text, vhost }: CloseBody): Promise<number> {
    const clients = findClients(this.#clients, vhost, target);
    const [defaultCode, defaultText] = WEBSOCKET_CLOSE.disconnected;
    const reason = code === 0 ? { code: defaultCode, text: text || defaultText } : { code, text };
    await this.#clients.disconnectEach(vhost, clients, reason);
    return clients.length;
  }
}

export function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((total, number) => total + number, 0);
}
