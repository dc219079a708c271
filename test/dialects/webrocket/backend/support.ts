import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { MemoryDriver } from "../../../../src/brokers/memory/driver.js";
import { readSettings } from "../../../../src/config/dialect-settings.js";
import { Topics } from "../../../../src/control/topics.js";
import { type Message, MessageIds } from "../../../../src/core/message.js";
import type { Clock } from "../../../../src/core/ports.js";
import { Publisher } from "../../../../src/core/publishing/publisher.js";
import { TopicIndex } from "../../../../src/core/topic-index.js";
import { DEFAULT_RULES } from "../../../../src/core/topic-rules.js";
import { TrafficCounts } from "../../../../src/core/traffic.js";
import { createAccessToken } from "../../../../src/dialects/webrocket/access.js";
import { WebrocketBackend } from "../../../../src/dialects/webrocket/backend/listener.js";
import { createWebrocketPorts } from "../../../../src/dialects/webrocket/backend/ports.js";
import { type WebrocketSettings } from "../../../../src/dialects/webrocket/settings.js";
import type { ByteBudget } from "../../../../src/net/byte-budget.js";
import type { PortOptions } from "../../../../src/net/port-listener.js";
import { AnswerBudget } from "../../../../src/rpc/answer-budget.js";
import { type ConfigInput, parseConfig } from "../../../../src/server/config.js";
import type { VhostRuntime } from "../../../../src/server/create/create-vhosts.js";
import { MemoryStore } from "../../../../src/store/memory.js";
import type { Store } from "../../../../src/store/store.js";
import { HTTP_TIMES } from "../../../../src/transport/http/http-listener.js";
import { systemClock } from "../../../../src/util/system-clock.js";
import type { Dispatch } from "../../../../src/workers/dispatch.js";
import { cleanUp } from "../../../support/clean-up.js";
import { ampleBudget } from "../../../support/nodes/byte-budget.js";
import { createVhostWorld } from "../../../support/nodes/vhost-world.js";
import { Queue } from "../../../support/queue.js";
import { startLocalDispatch, type TestDispatch } from "../../../workers/support.js";

/** Environment of WebRocket's backends: stored vhosts, a publisher and workers. */

export const TOKEN = "0123456789_abcdefghijABCDEFGHIJ_XYZ01234";
export const UUID = "9b2f1c3e-0000-4000-8000-0123456789ab";

export interface World extends VhostRuntime {
  readonly dispatch: Dispatch;
  readonly control: { readonly topics: Topics };
  readonly publisher: Publisher;
  readonly driver: MemoryDriver;
  readonly faults: unknown[];
}

export function createStore(): MemoryStore {
  return new MemoryStore({
    clock: systemClock,
    onError: (message) => {
      throw new Error(message);
    },
  });
}

const CONFIG: ConfigInput = { vhosts: { "/test": { webrocket: { access_token: TOKEN } } } };

/** @param store - started */
export async function createWorld(
  config: ConfigInput = CONFIG,
  store: Store = createStore(),
  node?: TestDispatch,
): Promise<World> {
  const world = createVhostWorld(config, store);
  await world.vhosts.start();
  const driver = new MemoryDriver({ clock: systemClock });
  const publisher = new Publisher({
    brokers: { resolve: () => ({ name: "memory", driver }) },
    ids: new MessageIds("test"),
    clock: systemClock,
    limits: { payloadBytes: 1_048_576, topicsPerMessage: 100, expandedBytes: 16_777_216 },
    traffic: new TrafficCounts(),
    historyOf: () => undefined,
    onUnconfirmed: () => {},
  });
  const { dispatch, member } = node ?? (await startLocalDispatch());
  const index = new TopicIndex(() => DEFAULT_RULES, { deliver() {} }, new TrafficCounts());
  return {
    ...world,
    dispatch,
    control: { topics: new Topics({ cluster: member, index }) },
    publisher,
    driver,
    faults: [],
  };
}

/** Collects the messages published to a channel from now on. */
export async function heardIn({ driver }: World, vhost: string, channel: string): Promise<Queue<Message>> {
  const heard = new Queue<Message>();
  driver.subscribe(vhost, channel, {
    deliver(message) {
      heard.push(message);
    },
  });
  await driver.settle();
  return heard;
}

export interface TestBackend {
  readonly port: number;
  readonly backend: WebrocketBackend;
}

export interface BackendOptions {
  readonly clock?: Clock;
  readonly connections?: number;
  readonly packetBytes?: number;
  readonly budget?: ByteBudget;
  readonly port?: Partial<PortOptions>;
}

/** Starts the TCP port on a free port number. */
export async function startBackend(
  world: World,
  { port: portOptions, ...options }: BackendOptions = {},
): Promise<TestBackend> {
  const backend = new WebrocketBackend({
    port: { address: { host: "127.0.0.1", port: 0 }, ...portOptions },
    clock: systemClock,
    connections: 100,
    packetBytes: 65_536,
    budget: ampleBudget(),
    ...world,
    admin: world.administration,
    ...options,
    onPublished: () => {},
    onFault: (cause) => {
      world.faults.push(cause);
    },
  });
  const { port } = await backend.listen();
  cleanUp(async () => {
    backend.terminate();
    await backend.close();
  });
  return { port, backend };
}

/** Starts the admin interface on a free port. @returns its URL */
export async function startAdmin(
  world: World,
  cookie: string,
  file?: string,
  answers = new AnswerBudget(Number.POSITIVE_INFINITY, systemClock),
): Promise<string> {
  const source = file === undefined ? { cookie } : { cookie_file: file };
  const config = parseConfig({ webrocket: { admin: { listen: "127.0.0.1:0", ...source } } });
  const ports = createWebrocketPorts(readSettings(config, "webrocket") as WebrocketSettings, {
    ...world,
    config,
    clock: systemClock,
    budget: ampleBudget(),
    answers,
    createPortOptions: (address) => ({ address }),
    times: HTTP_TIMES,
    onPublished: () => {},
    onFault: (cause) => {
      world.faults.push(cause);
    },
  });
  const { webrocketAdmin } = await ports.listen();
  if (webrocketAdmin === undefined) throw new Error("no admin interface");
  cleanUp(async () => {
    const closed = ports.close();
    ports.terminate();
    await closed;
  });
  return webrocketAdmin;
}

/** Replaces the token of a vhost's backends. */
export async function renewAccessToken(
  { administration }: Pick<World, "administration">,
  path: string,
): Promise<string> {
  const token = createAccessToken();
  await administration.replaceDialectSettings(path, "webrocket", { access_token: token });
  return token;
}

/** Returns the token required from a vhost's backends. */
export function accessTokenOf({ vhosts }: Pick<World, "vhosts">, path: string): string | undefined {
  return vhosts.require(path).backendTokenFor("webrocket");
}

export function identityOf(kind: "req" | "dlr", vhost = "/test", token = TOKEN): string {
  return `${kind}:${vhost}:${token}:${UUID}`;
}

/** Heartbeat of a worker, which sends its identity with `RD` only. */
export const HEARTBEAT = "HB\n\r\n\r\n";

/** Encodes a packet with an identity, as a client does. */
export function packet(identity: string, command: string, ...frames: readonly string[]): string {
  return `${[identity, "", command, ...frames].join("\n")}\n\r\n\r\n`;
}

/** A plain TCP client. */
export class TestPeer {
  readonly socket: Socket;
  /** Received packets, as their lines. */
  readonly packets = new Queue<readonly string[]>();
  /** Resolves with all received text when the server has ended its side. */
  readonly ended: Promise<string>;

  private constructor(socket: Socket) {
    this.socket = socket;
    let text = "";
    let rest = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      const parts = (rest + chunk).split("\r\n\r\n");
      rest = parts.pop() ?? "";
      for (const part of parts) this.packets.push(part.split("\n").slice(0, -1));
    });
    socket.on("error", () => {});
    this.ended = Promise.race([once(socket, "end"), once(socket, "close")]).then(() => text);
    cleanUp(() => socket.destroy());
  }

  static async connect({ port }: Pick<TestBackend, "port">): Promise<TestPeer> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    return new TestPeer(socket);
  }

  say(text: string): void {
    this.socket.write(text);
  }

  /** Resolves with the next packet other than a heartbeat. */
  async next(): Promise<readonly string[]> {
    for (;;) {
      const lines = await this.packets.next();
      if (lines[0] !== "HB") return lines;
    }
  }
}

/** Sends one request. @returns everything received until the server closes */
export async function request(
  backend: Pick<TestBackend, "port">,
  command: readonly [string, ...string[]],
  identity = identityOf("req"),
): Promise<string> {
  const peer = await TestPeer.connect(backend);
  peer.say(packet(identity, ...command));
  return peer.ended;
}

/** Resolves when the condition holds. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(setImmediate);
}
