import { publish } from "../../support/backends/publish.js";
import { inBrowser, openPage, type TestPage } from "../../support/clients/browser.js";
import { startSite } from "../../support/clients/site.js";
import { connectNats } from "../../support/nats/client.js";
import { startNatsCluster } from "../../support/nats/cluster.js";
import { type NatsServer, startNats } from "../../support/nats/server.js";
import { keepAddress } from "../../support/net/kept-address.js";
import { startTcpProxy, type TcpProxy } from "../../support/net/tcp-proxy.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { temporaryFolder } from "../../support/temporary-files.js";

const TOPIC = "room";

/** Problem that the browser reports for each failed attempt to connect. */
const NO_CONNECTION = /^console: WebSocket connection to .* failed/;

/** Script of a chat page, written with a WebSocket and the native frames only. */
function chatScript(urls: readonly string[]): string {
  return `
    const urls = ${JSON.stringify(urls)};
    let attempt = 0;
    let position;
    function show(className, text) {
      const entry = document.createElement("p");
      entry.className = className;
      entry.textContent = text;
      document.body.append(entry);
    }
    function connect() {
      const socket = new WebSocket(urls[attempt++ % urls.length] + "/ws?meta=1");
      socket.onopen = () => {
        const recover = position === undefined ? {} : { room: position };
        socket.send(JSON.stringify({ command: "join", topics: ["room"], recover, id: 1 }));
      };
      socket.onmessage = ({ data }) => {
        const frame = JSON.parse(data);
        if (frame.topic === "@join") {
          const recovered = frame.recovered?.room;
          if (recovered === false) show("missing", "Messages are missing: " + frame.reasons.room);
          if (recovered !== true) position = frame.positions?.room;
          show("joined", "joined");
        } else if (frame.topic === "#join") {
          socket.close();
        } else if (frame.topic === "room") {
          position = frame.position;
          show("message", frame.payload);
        }
      };
      socket.onclose = () => setTimeout(connect, 100);
    }
    addEventListener("load", connect);
  `;
}

interface Chat {
  readonly nodes: TestNode[];
  readonly proxies: readonly TcpProxy[];
  readonly shown: TestPage;
  /** Publishes a text through the nodes in turn, until it is stored. */
  readonly say: (text: string) => Promise<void>;
  /** Stops a node and starts another one on its address. */
  readonly restart: (position: number) => Promise<void>;
  /** Returns the shown messages when this one is among them. */
  readonly messagesUntil: (last: string) => Promise<string[]>;
}

async function startChat(servers: readonly NatsServer[], history: object): Promise<Chat> {
  const config = {
    brokers: { nats: { driver: "nats" as const, servers: servers.map(({ url }) => url) } },
    vhosts: { "/": { history: { chat: history }, topics: [{ match: TOPIC, history: "chat" }] } },
  };
  const [first, second] = [await keepAddress(), await keepAddress()];
  const nodes = [await startNode({ ...config, http: first }), await startNode({ ...config, http: second })];
  const proxies = await Promise.all(nodes.map(({ http }) => startTcpProxy(Number(new URL(http).port))));
  const site = await startSite(chatScript(proxies.map(({ port }) => `ws://127.0.0.1:${port}`)));
  const shown = await openPage(site, { expected: NO_CONNECTION });
  await shown.page.locator(".joined").first().waitFor();
  let turn = 0;
  return {
    nodes,
    proxies,
    shown,
    async say(text) {
      for (;;) {
        const node = nodes[turn % nodes.length];
        turn += 1;
        if (node === undefined) throw new Error("no node");
        const answer = await publish(node, [{ topics: [TOPIC], payload: text, id: text }]).catch(() => undefined);
        if (answer?.receipts?.[0]?.stage === "STAGE_STORED") return;
      }
    },
    async restart(position) {
      const before = nodes[position];
      if (before === undefined) throw new Error("no node");
      await before.carillon.stop();
      nodes[position] = await startNode({ ...config, http: new URL(before.http).host });
    },
    async messagesUntil(last) {
      const messages = shown.page.locator(".message");
      await messages
        .filter({ hasText: new RegExp(`^${last}$`) })
        .first()
        .waitFor();
      return messages.allTextContents();
    },
  };
}

/** Number of times that the page has joined. */
function joins({ shown }: Chat): Promise<number> {
  return shown.page.locator(".joined").count();
}

/** Resolves when the page has joined once more than this number. */
async function joinsAgain({ shown }: Chat, before: number): Promise<void> {
  await shown.page.locator(".joined").nth(before).waitFor();
}

function texts(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, number) => `${name}-${number}`);
}

const CHAT = { messages: 1_000, age: "1h" };

function startJetStream(): Promise<NatsServer> {
  return startNats(`jetstream: { store_dir: ${JSON.stringify(temporaryFolder())} }`);
}

inBrowser("a chat page with a WebSocket and the native frames", () => {
  test("H2: shows each message once after it was offline", async () => {
    const chat = await startChat([await startJetStream()], CHAT);
    const sent = texts("before", 5);
    for (const text of sent) await chat.say(text);
    expect(await chat.messagesUntil("before-4")).toEqual(sent);

    const count = await joins(chat);
    for (const proxy of chat.proxies) proxy.shut();
    const missed = texts("offline", 30);
    for (const text of missed) await chat.say(text);
    for (const proxy of chat.proxies) proxy.open();
    await joinsAgain(chat, count);
    await chat.say("after");

    expect(await chat.messagesUntil("after")).toEqual([...sent, ...missed, "after"]);
    expect(await chat.shown.page.locator(".missing").count()).toBe(0);
  });

  test("H2: shows each message once over a rolling restart of all nodes", async () => {
    const chat = await startChat([await startJetStream()], CHAT);
    const sent: string[] = [];
    const sayAll = async (name: string): Promise<void> => {
      for (const text of texts(name, 10)) {
        await chat.say(text);
        sent.push(text);
      }
    };
    await sayAll("before");
    for (const position of chat.nodes.keys()) {
      const restarted = chat.restart(position);
      await sayAll(`during-${position}`);
      await restarted;
      await sayAll(`after-${position}`);
    }

    expect(await chat.messagesUntil("after-1-9")).toEqual(sent);
    expect(await joins(chat)).toBeGreaterThan(1);
    expect(await chat.shown.page.locator(".missing").count()).toBe(0);
  });

  test("H2: shows each message once when the NATS server that leads the stream is killed", async () => {
    const servers = await startNatsCluster(3, () => `jetstream: { store_dir: ${JSON.stringify(temporaryFolder())} }`);
    const chat = await startChat(servers, { ...CHAT, replicas: 3 });
    const sent = texts("before", 10);
    for (const text of sent) await chat.say(text);

    await (await leaderOf(servers)).kill();
    const after = texts("after", 10);
    for (const text of after) await chat.say(text);

    expect(await chat.messagesUntil("after-9")).toEqual([...sent, ...after]);
    expect(await chat.shown.page.locator(".missing").count()).toBe(0);
  });

  test("H3: says plainly that messages are missing after it was away for longer than their age", async () => {
    const server = await startJetStream();
    const chat = await startChat([server], { messages: 1_000, age: "2s" });
    await chat.say("before");
    expect(await chat.messagesUntil("before")).toEqual(["before"]);

    for (const proxy of chat.proxies) proxy.shut();
    await chat.say("expires");
    await untilExpired(server);
    for (const proxy of chat.proxies) proxy.open();

    const notice = chat.shown.page.locator(".missing");
    await notice.waitFor();
    expect(await notice.allTextContents()).toEqual(["Messages are missing: expired"]);
    await chat.say("after");
    expect(await chat.messagesUntil("after")).toEqual(["before", "after"]);
  });
});

/** Finds the server that leads the stream of the chat. */
async function leaderOf(servers: readonly NatsServer[]): Promise<NatsServer> {
  const [first] = servers;
  if (first === undefined) throw new Error("no server");
  const connection = await connectNats(first);
  const [stream] = await (await connection.jetstreamManager()).streams.list().next();
  const leader = servers[Number(stream?.cluster?.leader?.slice(1))];
  await connection.close();
  if (leader === undefined) throw new Error("the stream has no leader");
  return leader;
}

/** Resolves when the stream has no message of the chat any more. Polls with round trips. */
async function untilExpired(server: NatsServer): Promise<void> {
  const streams = (await (await connectNats(server)).jetstreamManager()).streams;
  for (;;) {
    const [stream] = await streams.list().next();
    const subject = stream?.config.subjects.find((candidate) => candidate.endsWith("._.>")) ?? "";
    const { state } = await streams.info(stream?.config.name ?? "", { subjects_filter: subject });
    if (Object.keys(state.subjects ?? {}).length === 0) return;
  }
}
