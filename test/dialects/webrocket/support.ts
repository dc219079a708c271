import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import type { ConfigInput } from "../../../src/index.js";
import { jwt, type VhostInput } from "../../commands/support.js";
import { bearer, configuredKey, TestBackend } from "../../support/backends/backend.js";
import { connect, type TestClient } from "../../support/clients/native.js";
import { type TestNode } from "../../support/nodes/node.js";

/** Path for clients. */
export const PATH = "/webrocket/test";

/** Key of the vhost's backend. */
export const SECRET = "webrocket-backend";

export function configOf(vhost: VhostInput = {}): ConfigInput {
  const webrocket = { access_token: "0123456789".repeat(4) };
  const keys = [configuredKey(SECRET, { actions: ["*"] })];
  return { vhosts: { "/test": { jwt, keys, webrocket, ...vhost } } };
}

const CHANNELS = ["open", "other", "private-club", "presence-room", "presence-hall"];

export function backendOf(node: TestNode): TestBackend {
  return new TestBackend(node, bearer(SECRET));
}

/** Opens the channels, which is required to join them. Nodes without a shared store each need it. */
export async function openChannels(...nodes: readonly TestNode[]): Promise<void> {
  for (const node of nodes) {
    for (const channel of CHANNELS) await backendOf(node).call(ControlService.method.openChannel, { channel });
  }
}

/** A client of the protocol. */
export class Frontend {
  readonly client: TestClient;
  readonly sid: string;

  private constructor(client: TestClient, sid: string) {
    this.client = client;
    this.sid = sid;
  }

  static async open(node: TestNode, token?: string): Promise<Frontend> {
    const client = await connect(node.ws + PATH);
    const greeting = JSON.parse(await client.nextText()) as { readonly ":connected": { readonly sid: string } };
    const frontend = new Frontend(client, greeting[":connected"].sid);
    if (token === undefined) return frontend;
    const answer = await frontend.ask({ auth: { token } });
    if (!(":authenticated" in answer)) throw new Error(`not authenticated: ${JSON.stringify(answer)}`);
    return frontend;
  }

  send(frame: object | string): void {
    this.client.send(frame);
  }

  async next(): Promise<object> {
    return JSON.parse(await this.client.nextText()) as object;
  }

  async ask(frame: object | string): Promise<object> {
    this.send(frame);
    return this.next();
  }

  /** Returns all frames received before the answer to an invalid one. */
  async heard(): Promise<object[]> {
    this.send("sentinel");
    const frames: object[] = [];
    for (;;) {
      const frame = await this.next();
      if (":error" in frame) return frames;
      frames.push(frame);
    }
  }
}

export function error(code: number, status: string): object {
  return { ":error": { code, status } };
}
