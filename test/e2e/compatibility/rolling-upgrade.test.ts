import { WebSocket } from "ws";
import * as client from "../../../client/src/index.js";
import { publish } from "../../support/backends/publish.js";
import { startWorker } from "../../support/backends/worker.js";
import { cleanUp } from "../../support/clean-up.js";
import { listenTo } from "../../support/client-library/world.js";
import { connect } from "../../support/clients/native.js";
import { startJetStream } from "../../support/nats/store.js";
import { keepAddress } from "../../support/net/kept-address.js";
import { ifPrevious, type PreviousVersion } from "../../support/nodes/previous.js";
import { type RunningNode, runCarillon, startCarillon } from "../../support/nodes/process.js";
import { temporaryFile } from "../../support/temporary-files.js";

const VHOST = {
  client_publish: true,
  history: { chat: { messages: 100, age: "5m" } },
  anonymous: { permissions: { call: ["*"] } },
  topics: [
    { match: "room*", history: "chat" },
    { match: "members*", presence: true },
  ],
};

/** Starts nodes of both versions on one NATS server. */
async function startCluster({ program }: PreviousVersion) {
  const nats = await startJetStream();
  const brokers = { nats: { driver: "nats", servers: [nats.url] } };
  const file = temporaryFile(
    "carillon.yaml",
    JSON.stringify({ brokers, drain: { spread: "1s" }, vhosts: { "/": VHOST } }),
  );
  const start = (options: { readonly program?: string }, http: string): Promise<RunningNode> =>
    startCarillon(["--config", file, "--http", http], options);
  return {
    startOld: (http = "127.0.0.1:0") => start({ program }, http),
    startNew: (http = "127.0.0.1:0") => start({}, http),
  };
}

interface Connections {
  readonly connections: readonly { readonly id: string; readonly node: string }[];
  readonly missingNodes?: readonly string[];
}

/** Calls a method of a service in Connect's JSON. */
async function call<Answer>(node: RunningNode, method: string, request: object): Promise<Answer> {
  const response = await fetch(`${node.http}/carillon.v1.${method}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request),
  });
  const answer = (await response.json()) as Answer;
  if (!response.ok) throw new Error(`${method}: ${JSON.stringify(answer)}`);
  return answer;
}

/** Publishes a message with history. @returns its position */
async function say(node: RunningNode, number: number): Promise<string> {
  const message = { topics: ["room"], payload: String(number), id: `m-${number}` };
  const { receipts: [receipt] = [], ...answer } = await publish(node, [message]);
  if (receipt?.position === undefined) throw new Error(`not stored: ${JSON.stringify(answer)}`);
  return receipt.position;
}

/** Listens with a client library. */
function listen(library: typeof client, node: RunningNode) {
  const opened = library.createClient(`${node.ws}/ws`, { webSocket: WebSocket, random: () => 0 });
  cleanUp(() => opened.close());
  return listenTo(opened.topic<number>("room"));
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** Publishes numbers one after the other, through the nodes in turn. */
async function sayAll(nodes: readonly RunningNode[], first: number, last: number): Promise<void> {
  for (const number of range(first, last)) {
    const node = nodes[number % nodes.length];
    if (node !== undefined) await say(node, number);
  }
}

ifPrevious("with the previous version", (previous) => {
  test("exchanges messages, presence, tasks and operations with its nodes", async () => {
    const { startNew, startOld } = await startCluster(previous);
    const [old, fresh] = [await startOld(), await startNew()];
    const pairs = [
      [old, fresh],
      [fresh, old],
    ] as const;
    for (const [index, [here, there]] of pairs.entries()) {
      const id = `m-${index}`;
      const listener = await connect(`${there.ws}/ws?meta=1`);
      await listener.join("news", "room");
      await publish(here, [{ topics: ["news", "room"], payload: Buffer.from([0xff, 0x00]), event: "order.paid", id }]);
      const frames = [await listener.next(), await listener.next()];
      expect(frames.map(({ topic }) => topic).toSorted()).toEqual(["news", "room"]);
      for (const frame of frames)
        expect(frame).toMatchObject({ payload: "/wA=", encoding: "base64", event: "order.paid", id });
    }

    const members = await Promise.all([old, fresh].map(({ ws }) => connect(`${ws}/ws`)));
    for (const member of members) await member.join("members");
    for (const node of [old, fresh]) {
      // Each node has the members of the other one after a moment.
      let count = 0;
      while (count < 2) {
        const request = { topic: "members" };
        const { members: seen } = await call<{ members: unknown[] }>(node, "PresenceService/GetPresence", request);
        count = seen.length;
      }
      const all = await call<Connections>(node, "ControlService/ListConnections", { topic: "members" });
      expect([all.connections.length, all.missingNodes ?? []]).toEqual([2, []]);
    }

    for (const [here, there] of pairs) {
      const event = here === old ? "add" : "multiply";
      const worker = await startWorker(there, [event]);
      const answer = call<{ parts: string[] }>(here, "CallService/Call", { event, payload: btoa("2 3") });
      const task = await worker.tasks.next();
      expect(Buffer.from(task.payload).toString()).toBe("2 3");
      worker.acknowledge(task);
      worker.answer(task, "done");
      expect((await answer).parts.map(atob)).toEqual(["done"]);
    }

    const { connections } = await call<Connections>(fresh, "ControlService/ListConnections", { topic: "members" });
    for (const { id } of connections) {
      for (const node of [old, fresh]) {
        const { connection } = await call<{ connection: { id: string } }>(node, "ControlService/GetConnection", { id });
        expect(connection.id).toBe(id);
      }
    }
    // A node of the previous version does not know the request, so it is missing.
    const { code, stdout } = await runCarillon(["top", "-s", fresh.http, "--once", "--json"]);
    const { missingNodes, nodes } = JSON.parse(stdout) as { nodes: { id: string }[]; missingNodes: string[] };
    expect([code, [...nodes.map(({ id }) => id), ...missingNodes].toSorted()]).toEqual([
      0,
      connections.map(({ node }) => node).toSorted(),
    ]);
    expect(missingNodes).toHaveLength(1);
    // Each node can disconnect the client of the other one.
    for (const { id } of connections) {
      for (const node of [old, fresh]) {
        const request = { target: { connectionId: id }, reason: "enough" };
        await call(node, "ControlService/Disconnect", request).catch(() => "already gone");
      }
    }
    for (const member of members) expect(await member.closed).toEqual({ code: 4_403, reason: "enough" });
  });

  test("finds its positions, and it finds positions of this version", async () => {
    const { startNew, startOld } = await startCluster(previous);
    const [old, fresh] = [await startOld(), await startNew()];
    const byOld = await say(old, 1);
    const byNew = await say(fresh, 2);
    await say(old, 3);
    for (const [node, position, expected] of [
      [fresh, byOld, [2, 3]],
      [old, byNew, [3]],
    ] as const) {
      const listener = await connect(`${node.ws}/ws?meta=1`);
      listener.send({ command: "join", topics: ["room"], recover: { room: position }, id: 1 });
      expect(await listener.next()).toMatchObject({ topic: "@join", recovered: { room: true } });
      const numbers: number[] = [];
      while (numbers.length < expected.length) numbers.push(Number((await listener.next()).payload));
      expect(numbers).toEqual(expected);
    }
    // A repeated id is a duplicate, whichever version has stored the first message.
    const repeated = await publish(fresh, [{ topics: ["room"], payload: "3", id: "m-3" }]);
    expect(repeated.receipts?.[0]).toMatchObject({ duplicate: true });
  });

  test("loses and repeats no message for clients of both versions during a rolling upgrade", async () => {
    const { startNew, startOld } = await startCluster(previous);
    const [one, two] = [await startOld(await keepAddress()), await startOld(await keepAddress())];
    const listeners = [one, two].flatMap((node) => [listen(previous.client, node), listen(client, node)]);
    for (const { outcomes } of listeners) await outcomes.next();
    const upgrade = async (node: RunningNode): Promise<RunningNode> => {
      node.child.kill("SIGTERM");
      await node.exited;
      return startNew(new URL(node.http).host);
    };

    await sayAll([one, two], 1, 5);
    const [newOne] = await Promise.all([upgrade(one), sayAll([two], 6, 20)]);
    await sayAll([newOne, two], 21, 30);
    const [newTwo] = await Promise.all([upgrade(two), sayAll([newOne], 31, 45)]);
    await sayAll([newOne, newTwo], 46, 50);
    for (const { errors, next, outcomes } of listeners) {
      expect(await next(50)).toEqual(range(1, 50));
      expect(await outcomes.next()).toMatchObject({ recovered: true });
      expect(errors.unread).toEqual([]);
    }
    // Nothing follows but the next message.
    await sayAll([newTwo], 51, 51);
    for (const { next } of listeners) expect(await next()).toEqual([51]);
  });
});
