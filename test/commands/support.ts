import type { ConfigInput } from "../../src/index.js";
import { SECRET, signed } from "../access/jwts.js";
import { connect, type TestClient } from "../support/clients/native.js";
import { startNatsNode } from "../support/nats/node.js";
import { type NatsServer, startNats } from "../support/nats/server.js";
import { knowEachOther } from "../support/nodes/metrics.js";
import { startNode, type TestNode } from "../support/nodes/node.js";

export type VhostInput = NonNullable<ConfigInput["vhosts"]>[string];

export const jwt = { secret: SECRET, leeway: "0" };

/** One or two nodes to test with. */
export interface World {
  readonly one: TestNode;
  /** Second node; the same as `one` with the memory driver. */
  readonly other: TestNode;
  readonly nats: NatsServer | undefined;
}

export const WORLDS = ["memory", "two nodes on NATS"] as const;

export async function startWorld(kind: (typeof WORLDS)[number], config: ConfigInput = {}): Promise<World> {
  if (kind === "memory") {
    const node = await startNode(config);
    return { one: node, other: node, nats: undefined };
  }
  const nats = await startNats('http: "127.0.0.1:-1"');
  const [one, other] = [
    await startNatsNode(nats.url, { client_name: "one" }, config),
    await startNatsNode(nats.url, { client_name: "other" }, config),
  ];
  await knowEachOther([one, other]);
  return { one, other, nats };
}

export interface Claims {
  readonly sub?: string;
  readonly info?: object;
  readonly permissions?: object;
}

export function token(claims: Claims): Promise<string> {
  return signed(SECRET, "HS256", { ...claims, exp: Math.ceil(Date.now() / 1_000) + 60 });
}

/** Connects a client with a token of these claims. */
export async function enter(node: Pick<TestNode, "ws">, claims: Claims, path = "/ws"): Promise<TestClient> {
  return connect(node.ws + path, { headers: { authorization: `Bearer ${await token(claims)}` } });
}

export interface Listed {
  readonly topic: string;
  readonly count: number;
  readonly users: number;
  readonly members: readonly { readonly connection: string; readonly user: string; readonly info: object }[];
  readonly more?: boolean;
}

/** Asks as a client for the members of a topic. */
export async function present(client: TestClient, topic: string): Promise<Listed> {
  const answer = await client.ask({ command: "presence", topics: [topic], id: "presence" });
  if (answer.topic !== "@presence") throw new Error(`refused: ${JSON.stringify(answer)}`);
  return answer.payload as Listed;
}
