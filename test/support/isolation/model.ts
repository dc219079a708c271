import type { TestClient } from "../clients/native.js";

/** Names used in every vhost of the model, so that only the vhost tells two of them apart. */
export const TOPICS = ["a", "b", "private"] as const;
export const USERS = ["eve", "adam"] as const;
/** Name of the key in each vhost's settings. */
export const FIRST_KEY = "first";
export const KEY_NAMES = ["k1", "k2"] as const;

/** Topic that requires a channel token. */
export const PRIVATE_TOPIC = "private";
/** Channel opened in every vhost. Joining it is a round trip after which no earlier message is in flight. */
export const BARRIER = "barrier";

export const VHOSTS = ["/", "/shop", "/made/eu"] as const;
export type Path = (typeof VHOSTS)[number];

/** Vhost whose backends manage the other vhosts. */
export const DEFAULT_VHOST: Path = "/";

export interface ModelKey {
  readonly id: string;
  readonly name: string;
  readonly secret: string;
}

/** Expected state of one vhost. No model vhost refers to another. */
export class ModelVhost {
  readonly channels = new Set<string>([BARRIER]);
  readonly keys: ModelKey[] = [];
  /** Secrets of keys that were revoked. */
  readonly revoked: string[] = [];
  readonly clients: ModelClient[] = [];
  /** Expected events of a watch of its connections, in any order. */
  readonly watched: string[] = [];

  constructor(
    readonly path: Path,
    /** Secret of the configured key. */
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

  /** Expects the message at every member, once for each topic. */
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

  /** Expected error code of a join or a publish; undefined if it is allowed. */
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

/** A connected client and the messages that it must have received. */
export class ModelClient {
  readonly topics = new Set<string>();
  readonly expected: string[] = [];
  /** Received messages, without answers. */
  readonly got: string[] = [];

  constructor(
    readonly connection: TestClient,
    /** Sent as its user agent, so that lists of connections are readable. */
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
