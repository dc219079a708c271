import type { ConfigInput } from "../../../src/index.js";
import { configuredKey } from "../backends/backend.js";
import { startNode, type TestNode } from "../nodes/node.js";
import { connect, type TestClient } from "./native.js";

/** Secret of a key with all actions. */
export const KEY = "carillon_everything";

/** Starts a node whose vhost `/` has a key. */
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
  /** Key of the request; undefined: the key with all actions; "": no key. */
  readonly key?: string;
  /** Body, sent as JSON; a text is sent unchanged. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined when there is none. */
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

/** @throws Error when the request was refused */
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

/** Connects a client with a new connection token. */
export async function enter(node: Pick<TestNode, "http">, token?: string): Promise<TestClient> {
  return connect(webSocketUrl(node, token ?? (await connectionToken(node))));
}

export function webSocketUrl({ http }: Pick<TestNode, "http">, token: string): string {
  return `${http.replace("http", "ws")}/api/v1/ws/${token}/`;
}

/** Subscribes and waits for the answer to a ping, because subscriptions are not answered. */
export async function subscribe(client: TestClient, channel: string, auth?: string): Promise<void> {
  client.send({ event: "subscription-add", data: { channel, auth } });
  await settle(client);
}

/** Resolves when the server has processed earlier frames, and checks that it has not answered them. */
export async function settle(client: TestClient): Promise<void> {
  client.send({ event: "ping" });
  const text = await client.nextText();
  if (text !== '{"event":"pong"}') throw new Error(`not what was expected: ${text}`);
}
