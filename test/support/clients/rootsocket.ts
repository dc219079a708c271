import type { ConfigInput } from "../../../src/index.js";
import { configuredKey } from "../backends/backend.js";
import { startNode, type TestNode } from "../nodes/node.js";
import { connect, type TestClient } from "./native.js";

/** The secret of a key that may do everything. */
export const KEY = "carillon_everything";

/** A node whose vhost `/` has a key. */
export function startApplication(config: ConfigInput = {}): Promise<TestNode> {
  return startNode(applicationConfig(config));
}

export function applicationConfig({ vhosts = {}, ...config }: ConfigInput): ConfigInput {
  const { "/": vhost = {}, ...others } = vhosts;
  const { keys = [] } = vhost;
  return {
    ...config,
    vhosts: {
      "/": { ...vhost, keys: [configuredKey(KEY, { name: "everything", actions: ["*"] }), ...keys] },
      ...others,
    },
  };
}

export interface RestRequest {
  readonly method?: string;
  /** Undefined: the key that may do everything; "": none. */
  readonly key?: string;
  /** Sent as JSON, text as it is. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined where there is none. */
  readonly body: unknown;
}

/** @param path - below `/api/v1/` */
export async function ask(
  { http }: Pick<TestNode, "http">,
  path: string,
  { body, headers = {}, key = KEY, method = "POST" }: RestRequest = {},
): Promise<RestAnswer> {
  const response = await fetch(`${http}/api/v1/${path}`, {
    method,
    headers: { ...(key === "" ? {} : { authorization: key }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: text === "" ? undefined : JSON.parse(text) };
}

/** @throws Error where it was refused */
export async function tokenOf(node: Pick<TestNode, "http">, path: string, body?: unknown): Promise<string> {
  const answer = await ask(node, path, { body });
  if (answer.status !== 201) throw new Error(`no token: ${answer.text}`);
  return (answer.body as { readonly token: string }).token;
}

export function connectionToken(node: Pick<TestNode, "http">): Promise<string> {
  return tokenOf(node, "connections/");
}

export function channelToken(node: Pick<TestNode, "http">, channel: string): Promise<string> {
  return tokenOf(node, "tokens/", { category: 1, channel });
}

/** A client with a connection token of its own. */
export async function enter(node: Pick<TestNode, "http">, token?: string): Promise<TestClient> {
  return connect(webSocketUrl(node, token ?? (await connectionToken(node))));
}

export function webSocketUrl({ http }: Pick<TestNode, "http">, token: string): string {
  return `${http.replace("http", "ws")}/api/v1/ws/${token}/`;
}

/** Subscribes, which has no answer, and waits until it has been done: a ping is answered after it. */
export async function subscribe(client: TestClient, channel: string, auth?: string): Promise<void> {
  client.send({ event: "subscription-add", data: { channel, auth } });
  await settle(client);
}

/** Resolves when all that was sent before has been done, and nothing has been answered to it. */
export async function settle(client: TestClient): Promise<void> {
  client.send({ event: "ping" });
  const text = await client.nextText();
  if (text !== '{"event":"pong"}') throw new Error(`not what was expected: ${text}`);
}
