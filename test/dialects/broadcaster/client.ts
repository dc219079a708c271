import { SignJWT } from "jose";
import { connect, type TestClient } from "../../support/clients/native.js";
import type { TestNode } from "../../support/nodes/node.js";
import { RIGHTS } from "./support.js";

export const SECRET = "short";

export const PATH = "/broadcaster/websocket";

/** Signs a token that outlives the test unless the claims say otherwise. */
export function token(claims: object = {}): Promise<string> {
  return new SignJWT({ sub: "eve", aud: "broadcaster", exp: 4e9, ...RIGHTS, ...claims })
    .setProtectedHeader({ alg: "HS256" })
    .sign(Buffer.from(SECRET));
}

export interface Broadcast {
  readonly method: string;
  readonly params: {
    readonly id: string;
    readonly seq: number;
    readonly createTime: string;
    readonly channel: string;
    readonly event: string;
    readonly payload: unknown;
  };
}

/** A Broadcaster client: a plain WebSocket that sends and receives JSON. */
export class BroadcasterClient {
  readonly #client: TestClient;
  #id = 0;

  private constructor(client: TestClient) {
    this.#client = client;
  }

  static async connect(node: TestNode, path = PATH): Promise<BroadcasterClient> {
    return new BroadcasterClient(await connect(node.ws + path));
  }

  /** Connects a client, authenticates it and subscribes it to the channels. */
  static async subscribed(node: TestNode, path: string, ...channels: readonly string[]): Promise<BroadcasterClient> {
    const client = await BroadcasterClient.connect(node, path);
    await client.#done("auth", { token: await token() });
    for (const channel of channels) await client.#done("subscribe", { channel });
    return client;
  }

  get webSocket(): TestClient["webSocket"] {
    return this.#client.webSocket;
  }

  get closed(): TestClient["closed"] {
    return this.#client.closed;
  }

  /** Sends a request, and returns its result or error. No other frame may arrive first. */
  async ask(method: string, params?: object): Promise<object> {
    this.#id += 1;
    this.#client.send({ id: this.#id, method, params });
    const text = await this.#client.nextText();
    const { requestId, ...answer } = JSON.parse(text) as { readonly requestId: number };
    if (requestId !== this.#id) throw new Error(`no answer to ${method}: ${text}`);
    return answer;
  }

  /** Sends a notification, which has no answer. */
  tell(method: string, params: object): void {
    this.#client.send({ method, params });
  }

  async next(): Promise<Broadcast["params"]> {
    const text = await this.#client.nextText();
    const { method, params } = JSON.parse(text) as Partial<Broadcast>;
    if (method !== "broadcast" || params === undefined) throw new Error(`no broadcast: ${text}`);
    return params;
  }

  async #done(method: string, params: object): Promise<void> {
    const answer = await this.ask(method, params);
    if (!("result" in answer)) throw new Error(`${method} was refused: ${JSON.stringify(answer)}`);
  }
}
