import { createHmac } from "node:crypto";
import { io } from "socket.io-client";
import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import type { ConfigInput } from "../../../src/index.js";
import { TestBackend } from "../backends/backend.js";
import { cleanUp } from "../clean-up.js";
import type { TestNode } from "../nodes/node.js";
import { Queue } from "../queue.js";
import { openStream } from "./event-stream.js";
import { connect, type TestClient } from "./native.js";

/** Message that a client of a dialect has received. */
export interface Heard {
  readonly channel: string;
  /** "" when the dialect has none. */
  readonly event: string;
  /** Payload of the client: a JSON value if the dialect carries JSON, otherwise a string. */
  readonly value: unknown;
}

/** Client of any dialect. */
export interface SpeakerClient {
  /** Resolves when the subscription has taken effect. */
  subscribe(channel: string): Promise<void>;
  /** Publishes without waiting for an answer. Undefined: clients of the dialect do not publish. */
  readonly publish?: (channel: string, event: string, value: object) => void;
  readonly heard: Queue<Heard>;
  /** Frames other than messages; undefined when the stock client does not expose them. */
  readonly answers?: Queue<unknown>;
}

/** Dialect for tests, with its stock client if there is one. */
export interface Speaker {
  readonly name: "native" | "events" | "broadcaster" | "rootsocket" | "webrocket" | "socketio";
  enter(node: TestNode, vhost?: string): Promise<SpeakerClient>;
}

const SECRET = "the secret of Broadcaster's tokens";
export const ACCESS_TOKEN = "0123456789".repeat(4);

/** Names that every dialect allows. */
export const CHANNELS = ["news", "other"];

/** Vhost in which clients of all dialects may subscribe and, if the dialect supports it, publish. */
export const SPEAKING = {
  client_publish: true,
  broadcaster: { secret: SECRET },
  rootsocket: { allow_client_send: true, allow_channel_authorization: false },
  webrocket: { access_token: ACCESS_TOKEN },
} satisfies NonNullable<ConfigInput["vhosts"]>[string];

/** Opens channels for WebRocket's clients, on each node because the nodes share no store. */
export async function openChannels(node: TestNode, vhost = "/"): Promise<void> {
  const backend = new TestBackend(node, { "carillon-vhost": vhost });
  for (const channel of CHANNELS) await backend.call(ControlService.method.openChannel, { channel });
}

const native: Speaker = {
  name: "native",
  async enter({ ws }, vhost = "/") {
    const ears = listen(await connect(`${ws}/ws${below(vhost)}?meta=1`), ({ event = "", payload, topic }) =>
      /^[@#]/.test(String(topic)) ? undefined : { channel: String(topic), event: String(event), value: payload },
    );
    return {
      ...ears,
      subscribe: (channel) => ears.ask({ command: "join", topics: [channel] }),
      publish: (channel, event, payload) => {
        ears.send({ command: "publish", topics: [channel], event, payload });
      },
    };
  },
};

const events: Speaker = {
  name: "events",
  enter: async ({ http }, vhost = "/") => {
    const heard = new Queue<Heard>();
    return {
      heard,
      subscribe: async (channel) => {
        const stream = await openStream(`${http}/events${below(vhost)}?topic=${encodeURIComponent(channel)}`);
        await stream.begun();
        const sort = async (): Promise<void> => {
          for (;;) {
            const { data, event } = await stream.next();
            heard.push({ channel, event, value: data });
          }
        };
        sort().catch(() => {
          // The stream has ended.
        });
      },
    };
  },
};

const broadcaster: Speaker = {
  name: "broadcaster",
  async enter({ ws }, vhost = "/") {
    const client = await connect(`${ws}/broadcaster/websocket${below(vhost)}`);
    const ears = listen(client, ({ method, params }) => {
      const { channel, event, payload } = (params ?? {}) as Record<string, unknown>;
      return method === "broadcast" ? { channel: String(channel), event: String(event), value: payload } : undefined;
    });
    await ears.ask({ id: 1, method: "auth", params: { token: broadcasterToken() } });
    return {
      ...ears,
      subscribe: (channel) => ears.ask({ id: 2, method: "subscribe", params: { channel } }),
      publish: (channel, event, payload) => {
        ears.send({ method: "publish", params: { channel, event, payload } });
      },
    };
  },
};

const rootsocket: Speaker = {
  name: "rootsocket",
  async enter({ http, ws }, vhost = "/") {
    const headers = { "carillon-vhost": vhost };
    const answer = await fetch(`${http}/api/v1/connections/`, { method: "POST", headers });
    const { token } = (await answer.json()) as { readonly token: string };
    const ears = listen(await connect(`${ws}/api/v1/ws/${token}/`), ({ data, event }) =>
      ROOTSOCKET_WORDS.has(String(event))
        ? undefined
        : { channel: String(event), event: "", value: (data as { readonly raw: string }).raw },
    );
    return {
      ...ears,
      subscribe: (channel) => {
        ears.send({ event: "subscription-add", data: { channel } });
        // A subscription is not answered; later frames are processed after it.
        return ears.ask({ event: "ping" });
      },
      publish: (channel, _event, value) => {
        ears.send({ event: channel, data: { raw: JSON.stringify(value) } });
      },
    };
  },
};

const ROOTSOCKET_WORDS: ReadonlySet<string> = new Set(["ping", "pong", "error"]);

const webrocket: Speaker = {
  name: "webrocket",
  async enter({ ws }, vhost = "/") {
    const ears = listen(await connect(`${ws}/webrocket${below(vhost)}`), (frame) => {
      const [[event, data] = ["", {}]] = Object.entries(frame);
      if (event.startsWith(":")) return undefined;
      const { channel, sid: _sid, ...value } = data as Record<string, unknown>;
      return { channel: String(channel), event, value };
    });
    await ears.answers.next();
    return {
      ...ears,
      subscribe: (channel) => ears.ask({ subscribe: { channel } }),
      publish: (channel, event, data) => {
        ears.send({ broadcast: { channel, event, data } });
      },
    };
  },
};

const socketio: Speaker = {
  name: "socketio",
  async enter({ http }, vhost = "/") {
    const heard = new Queue<Heard>();
    const socket = io(http + vhost, { transports: ["websocket"], forceNew: true, reconnection: false });
    cleanUp(() => {
      socket.close();
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("connect_error", reject);
    });
    const channels: string[] = [];
    socket.onAny((event: string, value: unknown) => {
      // The protocol does not carry the topic of a message.
      heard.push({ channel: channels.join(), event, value });
    });
    return {
      heard,
      subscribe: async (channel) => {
        const answer = (await socket.emitWithAck("join", { topics: [channel] })) as { readonly ok: boolean };
        if (!answer.ok) throw new Error(`not joined: ${JSON.stringify(answer)}`);
        channels.push(channel);
      },
    };
  },
};

export const SPEAKERS: readonly Speaker[] = [native, events, broadcaster, rootsocket, webrocket, socketio];

/** Token of a user with all permissions in the channels. */
export function broadcasterToken(): string {
  const now = Math.floor(Date.now() / 1_000);
  const claims = { sub: "ann", aud: "broadcaster", iat: now, exp: now + 600, authorizedChannels: CHANNELS };
  const parts = [
    { alg: "HS256", typ: "JWT" },
    { ...claims, scope: ["subscribe", "publish"] },
  ];
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

interface Ears {
  readonly heard: Queue<Heard>;
  /** Frames other than messages. */
  readonly answers: Queue<unknown>;
  send(frame: object): void;
  /** Sends a frame and waits for the next frame other than a message. */
  ask(frame: object): Promise<void>;
}

/** @param read - returns the message of a frame; undefined for other frames */
function listen(client: TestClient, read: (frame: Record<string, unknown>) => Heard | undefined): Ears {
  const heard = new Queue<Heard>();
  const answers = new Queue<unknown>();
  const sort = async (): Promise<void> => {
    for (;;) {
      // The first frames may have arrived with the connection, before the first read.
      const frame = JSON.parse(await client.nextText()) as Record<string, unknown>;
      const message = read(frame);
      if (message === undefined) answers.push(frame);
      else heard.push(message);
    }
  };
  sort().catch(() => {
    // The connection has ended.
  });
  return {
    heard,
    answers,
    send: (frame) => {
      client.send(frame);
    },
    ask: async (frame) => {
      client.send(frame);
      const answer = JSON.stringify(await answers.next());
      if (/"error"|#join|:error/.test(answer)) throw new Error(`refused: ${answer}`);
    },
  };
}

function below(vhost: string): string {
  return vhost === "/" ? "" : vhost;
}
