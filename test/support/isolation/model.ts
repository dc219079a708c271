import type { TestClient } from "../clients/native.js";

/** Names that every vhost of the model uses: nothing but the vhost tells what they stand for apart. */
export const TOPICS = ["a", "b", "private"] as const;
export const USERS = ["eve", "adam"] as const;
/** Of each vhost's key that is in its settings. */
export const FIRST_KEY = "first";
export const KEY_NAMES = ["k1", "k2"] as const;

/** May be joined with a channel token only. */
export const PRIVATE_TOPIC = "private";
/** Opened everywhere; to join it is a round trip after which nothing is on its way any more. */
export const BARRIER = "barrier";

export const VHOSTS = ["/", "/shop", "/made/eu"] as const;
export type Path = (typeof VHOSTS)[number];

/** Whose backends manage the other vhosts. */
export const DEFAULT_VHOST: Path = "/";

export interface ModelKey {
  readonly id: string;
  readonly name: string;
  readonly secret: string;
}

/** What one vhost must look like from inside; there is no way from one of these to another. */
export class ModelVhost {
  readonly channels = new Set<string>([BARRIER]);
  readonly keys: ModelKey[] = [];
  /** Secrets of keys that were revoked. */
  readonly revoked: string[] = [];
  readonly clients: ModelClient[] = [];
  /** What a watch of the connections must tell, in any order. */
  readonly watched: string[] = [];

  constructor(
    readonly path: Path,
    /** Of the key that the configuration has. */
    readonly secret: string,
  ) {}

  named(label: string): ModelClient | undefined {
    return this.clients.find((client) => client.label === label);
  }

  ofUser(user: string): ModelClient[] {
    return this.clients.filter((client) => client.user === user);
  }

  in(topic: string): ModelClient[] {
    return this.clients.filter(({ topics }) => topics.has(topic));
  }

  /** Everybody who is in one of the topics must get it, once for each. */
  deliver(topics: readonly string[], payload: string): void {
    for (const topic of topics) for (const client of this.in(topic)) client.expect(topic, payload);
  }

  subscribe(clients: readonly ModelClient[], topics: readonly string[]): void {
    for (const client of clients) {
      for (const topic of topics) client.topics.add(topic);
      client.expect("@join", topics);
    }
  }

  unsubscribe(clients: readonly ModelClient[], topics: readonly string[]): void {
    for (const client of clients) {
      const left = topics.filter((topic) => client.topics.delete(topic));
      if (left.length > 0) client.expect("@leave", left);
    }
  }

  /** Why a client may not join or publish; undefined where it may. */
  refusal(topics: readonly string[], opens?: Path): string | undefined {
    for (const topic of topics) {
      if (!this.channels.has(topic)) return "not_found";
      if (topic !== PRIVATE_TOPIC || opens === this.path) continue;
      return opens === undefined ? "permission_denied" : "unauthenticated";
    }
    return undefined;
  }

  drop(client: ModelClient, code: number): void {
    this.clients.splice(this.clients.indexOf(client), 1);
    this.watched.push(`closed ${client.label} ${code}`);
  }
}

/** A client that is connected, and what it must have got. */
export class ModelClient {
  readonly topics = new Set<string>();
  readonly expected: string[] = [];
  /** What has come beside answers. */
  readonly got: string[] = [];

  constructor(
    readonly connection: TestClient,
    /** Sent as its user agent, so that lists of connections can be read. */
    readonly label: string,
    /** The id of its connection. */
    readonly id: string,
    readonly vhost: ModelVhost,
    public user: string,
  ) {}

  expect(topic: string, payload: unknown): void {
    this.expected.push(JSON.stringify({ topic, payload }));
  }
}
