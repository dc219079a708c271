import type { TestNode } from "../nodes/node.js";

export interface JsonMessage {
  readonly topics?: readonly string[];
  /** Text, sent as base64 as Connect-JSON requires. */
  readonly payload?: string | Uint8Array;
  readonly event?: string;
  readonly id?: string;
  readonly broker?: string;
  readonly command?: string;
}

export interface JsonAnswer {
  readonly status: number;
  readonly ok?: boolean;
  readonly receipts?: readonly { readonly id: string; readonly stage: string; readonly position?: string }[];
  readonly code?: string;
  readonly message?: string;
}

/** Publishes with plain fetch and Connect-JSON. */
export async function publish(
  node: Pick<TestNode, "http">,
  messages: readonly JsonMessage[],
  method: "Publish" | "PublishAsync" = "Publish",
  headers: Readonly<Record<string, string>> = {},
  signal: AbortSignal | null = null,
): Promise<JsonAnswer> {
  const body = {
    messages: messages.map((message) => ({
      ...message,
      ...(message.payload === undefined ? {} : { payload: Buffer.from(message.payload).toString("base64") }),
    })),
  };
  const response = await fetch(`${node.http}/websockets.v1.BroadcastService/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
    signal,
  });
  return { status: response.status, ...((await response.json()) as object) };
}

/** Publishes a text on a topic. */
export async function say(node: Pick<TestNode, "http">, topic: string, payload: string): Promise<void> {
  const answer = await publish(node, [{ topics: [topic], payload }]);
  if (answer.ok !== true) throw new Error(`not published: ${JSON.stringify(answer)}`);
}
