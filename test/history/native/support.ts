import { publish } from "../../support/backends/publish.js";
import { connect, type TestClient } from "../../support/clients/native.js";
import type { TestNode } from "../../support/nodes/node.js";

/** Vhost whose topics `room…` have history, and all others have none. */
export const ROOMS = { history: { chat: {} }, topics: [{ match: "room*", history: "chat" }] };

/** Publishes a text, and returns the position in the receipt; "" for a topic without history. */
export async function store(node: TestNode, topic: string, payload: string | Uint8Array, id = ""): Promise<string> {
  const answer = await publish(node, [{ topics: [topic], payload, id }]);
  const [receipt] = (answer.receipts ?? []) as readonly { readonly position?: string }[];
  if (answer.status !== 200 || receipt === undefined) throw new Error(`not published: ${JSON.stringify(answer)}`);
  return receipt.position ?? "";
}

/** Publishes texts one after another, and returns their positions. */
export async function storeAll(node: TestNode, topic: string, payloads: readonly string[]): Promise<string[]> {
  const positions: string[] = [];
  for (const payload of payloads) positions.push(await store(node, topic, payload));
  return positions;
}

/** Returns the position of a topic by joining it with a connection of its own. */
export async function positionOf(node: TestNode, topic: string, path = "/ws"): Promise<string> {
  const client = await connect(node.ws + path);
  const answer = (await client.ask({ command: "join", topics: [topic], recover: {} })) as JoinAnswer;
  client.webSocket.close();
  await client.closed;
  return answer.positions?.[topic] ?? "";
}

/** Answer to a join that requested positions. */
export interface JoinAnswer {
  readonly topic: string;
  readonly payload: unknown;
  readonly positions?: Readonly<Record<string, string>>;
  readonly recovered?: Readonly<Record<string, boolean>>;
  readonly reasons?: Readonly<Record<string, string>>;
}

/** Reads frames, byte for byte. */
export async function nextTexts(client: TestClient, count: number): Promise<string[]> {
  const texts: string[] = [];
  while (texts.length < count) texts.push(await client.nextText());
  return texts;
}
