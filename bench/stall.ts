import { once } from "node:events";
import { create, toBinary } from "@bufbuild/protobuf";
import { WebSocket } from "ws";
import { RequestSchema } from "../gen/websockets/v1/websockets_pb.js";
import { type Node, startNode } from "./support/carillon.js";
import { GrpcLoad, PUBLISH_PATH } from "./support/grpc.js";
import { startBusyWorker, withWorker } from "./support/idle-worker.js";
import { hmacIssuer, tokensOf } from "./support/issuer.js";
import type { LoopDelay } from "./support/loop-watch.js";
import type { Benchmark, Options } from "./support/report.js";
import { median, spread } from "./support/table.js";

/** Rule O12, in milliseconds of CPU time. */
const MOST = 50;

const SLOW = "re:[ab]*a[ab]{60}c";

/** An input that might hold the event loop. */
interface Attack {
  readonly name: string;
  /** Resolves when the node has dealt with it. @param size - from 0 to 1, of what it is in full */
  readonly run: (node: Node, size: number, tokens: readonly string[]) => Promise<void>;
}

const ATTACKS: readonly Attack[] = [
  { name: "nothing", run: async () => {} },
  {
    name: "a join of 1,000 topics of 250 B against expressions that weigh 150",
    run: (node, size, [token = ""]) => {
      return exchange(node, [{ command: "join", topics: hostileNames(1_000 * size, 250) }], token);
    },
  },
  {
    name: "20 tokens with 30 expressions that weigh 408 each, refused",
    run: async (node, size, [, token = ""]) => {
      for (let times = 0; times < 20 * size; times += 1) await refusedWith(node, token);
    },
  },
  {
    name: "100 calls of events of 250 B against workers' expressions that weigh 5,800",
    run: (node, size) =>
      withWorker(node.grpc, expressions(43, "a"), () =>
        withWorker(node.grpc, expressions(43, "b"), async () => {
          await watchFromHere(node);
          await exchange(
            node,
            hostileNames(100 * size, 250).map((event) => ({ command: "call", topics: [event] })),
          );
        }),
      ),
  },
  {
    name: "100 calls of events of 250 B whose worker is lost when others' expressions weigh 5,800",
    run: async (node, size) => {
      const events = hostileNames(100 * size, 250);
      const { busy, lose } = await startBusyWorker(node.grpc, events);
      const answered = exchange(
        node,
        events.map((event) => ({ command: "call", topics: [event] })),
      );
      await busy;
      await withWorker(node.grpc, expressions(43, "a"), () =>
        withWorker(node.grpc, expressions(43, "b"), async () => {
          await watchFromHere(node);
          await lose();
          await answered;
        }),
      );
    },
  },
  {
    name: "a join of 1,000 topics",
    run: (node, size) => exchange(node, [{ command: "join", topics: names(1_000 * size) }]),
  },
  {
    name: "1,000 commands presence of a topic of 1,000 members in one write",
    run: async (node, size) => {
      const members = await Promise.all(names(1_000 * size).map(() => joined(node, "crowd")));
      const questions = Array.from({ length: 1_000 * size }, () => ({ command: "presence", topics: ["crowd"] }));
      await watchFromHere(node);
      await exchange(node, questions);
      for (const member of members) member.terminate();
    },
  },
  {
    name: "a frame of 1 MiB of nested lists",
    run: (node, size) => exchange(node, ["[".repeat(1_000_000 * size)]),
  },
  {
    name: "a frame of 131,000 nested lists",
    run: (node, size) => {
      const count = 131_000 * size;
      return exchange(node, [`${"[".repeat(count)}${"]".repeat(count)}`]);
    },
  },
  {
    name: "a frame of 1 MiB of 60,000 members with other names each",
    run: (node, size) => {
      const members = names(60_000 * size).map((name) => [name, 1]);
      return exchange(node, [JSON.stringify(Object.fromEntries(members))]);
    },
  },
  {
    name: "a request of 4 MiB of nested JSON",
    run: (node, size) => post(node, `{"messages":${"[".repeat(4_000_000 * size)}`),
  },
  {
    name: "a request of 4 MiB: 250 messages on 1,000 topics each",
    run: (node, size) => {
      const topics = names(1_000);
      return post(node, JSON.stringify({ messages: Array.from({ length: 250 * size }, () => ({ topics })) }));
    },
  },
  {
    name: "a request of 65 messages on 1,000 topics each, the most that is taken",
    run: (node, size) => {
      const topics = names(1_000);
      return post(node, JSON.stringify({ messages: Array.from({ length: 65 * size }, () => ({ topics })) }));
    },
  },
  {
    name: "a request of 1,000 messages in JSON, the most that is taken",
    run: (node, size) => {
      const messages = Array.from({ length: 1_000 * size }, () => ({ topics: ["t"] }));
      return post(node, JSON.stringify({ messages }));
    },
  },
  {
    name: "a request of 1,000 messages in protobuf over gRPC",
    run: async ({ grpc }, size) => {
      const messages = Array.from({ length: 1_000 * size }, () => ({ topics: ["t"] }));
      const requests = [Buffer.from(toBinary(RequestSchema, create(RequestSchema, { messages })))];
      const load = new GrpcLoad(grpc);
      await load.unary(
        PUBLISH_PATH,
        () => requests.pop(),
        1,
        () => {},
      );
      load.close();
    },
  },
  {
    name: "a request of 4 MiB: 100,000 messages",
    run: (node, size) => {
      const messages = Array.from({ length: 100_000 * size }, () => ({ topics: ["t"] }));
      return post(node, JSON.stringify({ messages }));
    },
  },
  {
    name: "a request of 3 payloads of 1 MiB in base64",
    run: (node, size) => {
      const payload = Buffer.alloc(1_048_576 * size, 7).toString("base64");
      return post(node, JSON.stringify({ messages: Array.from({ length: 3 }, () => ({ topics: ["t"], payload })) }));
    },
  },
  {
    name: "a message of 64 KiB for 1,000 members",
    run: async (node, size) => {
      const members = await Promise.all(names(1_000 * size).map(() => joined(node, "crowd")));
      const heard = members.map((member) => once(member, "message"));
      await watchFromHere(node);
      await post(node, JSON.stringify({ messages: [{ topics: ["crowd"], text: "x".repeat(65_536) }] }));
      await Promise.all(heard);
      for (const member of members) member.terminate();
    },
  },
  {
    name: "a change of a vhost's settings with 20,000 memberships",
    run: async (node, size) => {
      const path = `/changed${Math.round(size * 100)}`;
      await post(node, JSON.stringify({ path }), "carillon.v1.ControlService/CreateVhost");
      const members = await Promise.all(
        names(20).map(async () => {
          const client = new WebSocket(`ws://127.0.0.1:${node.port}/ws${path}`, { perMessageDeflate: false });
          await once(client, "open");
          client.send(JSON.stringify({ command: "join", topics: names(1_000 * size) }));
          await once(client, "message");
          return client;
        }),
      );
      await watchFromHere(node);
      const settings = { topics: [{ match: "topic-1*", presence: true }] };
      await post(node, JSON.stringify({ path, settings }), "carillon.v1.ControlService/UpdateVhost");
      await exchange(node, [{ command: "leave", topics: ["t"] }]);
      for (const member of members) member.terminate();
    },
  },
  {
    name: "ListTopics and ListConnections of 50,000 topics and 50 connections",
    run: async (node, size) => {
      const clients = await Promise.all(names(50 * size).map((name) => joined(node, ...names(1_000, `${name}.`))));
      await watchFromHere(node);
      for (const method of ["ListTopics", "ListConnections"]) {
        await post(node, JSON.stringify({ pageSize: 1_000 }), `carillon.v1.ControlService/${method}`);
      }
      for (const client of clients) client.terminate();
    },
  },
];

/** What inputs hold the event loop for at most, with and without credentials. */
export const stall: Benchmark = async (options) => {
  const results = new Map<Attack, LoopDelay[]>();
  for (let round = 0; round < options.rounds; round += 1) {
    for (const attack of ATTACKS) results.set(attack, [...(results.get(attack) ?? []), await measure(attack, options)]);
  }
  const rows = [...results].map(([{ name }, delays]) => [
    name,
    spread(
      delays.map(({ cpu }) => cpu),
      1,
    ),
    spread(
      delays.map(({ wall }) => wall),
      1,
    ),
  ]);
  return {
    how: "The longest time for which one input held the event loop of a node that was started for it: CPU time of the process between two looks a millisecond apart, and the delay by the clock.",
    parts: [{ head: ["input", "CPU ms", "delay ms"], rows }],
    bars: [...results].map(([{ name }, delays]) => ({
      what: name,
      limit: MOST,
      found: median(delays.map(({ cpu }) => cpu)),
      unit: "ms",
      digits: 1,
    })),
  };
};

async function measure({ run }: Attack, { toy }: Options): Promise<LoopDelay> {
  const issuer = hmacIssuer();
  const permissions = [
    { join: [`${SLOW}1`, `${SLOW}2`, "re:[ab]+"] },
    { join: Array.from({ length: 30 }, (_, number) => `re:[ab]*a[ab]{401}c${number}`) },
  ];
  const tokens = (await Promise.all(permissions.map((each) => tokensOf(issuer, 1, each)))).flat();
  const config = {
    vhosts: {
      "/": {
        jwt: issuer.jwt,
        credentials: { query: true },
        topics: [{ match: "re:[ab]+", access: "private" as const }],
        presence: true,
        anonymous: { permissions: { call: ["*"] } },
      },
    },
  };
  const node = await startNode({ config });
  try {
    // What a process does for the first time takes longer, and only once.
    await run(node, toy ? 0.01 : 0.1, tokens);
    await node.child.ask("watchLoop");
    await run(node, toy ? 0.02 : 1, tokens);
    return await node.child.ask<LoopDelay>("loopDelay");
  } finally {
    await node.child.stop();
  }
}

/** What came before was preparation. */
function watchFromHere({ child }: Node): Promise<void> {
  return child.ask("watchLoop");
}

async function open({ port }: Node, token?: string): Promise<WebSocket> {
  const query = token === undefined ? "" : `?token=${token}`;
  const client = new WebSocket(`ws://127.0.0.1:${port}/ws${query}`, { perMessageDeflate: false });
  await once(client, "open");
  return client;
}

/** Sends frames in one write, and takes an answer for each. */
async function exchange(node: Node, frames: readonly (object | string)[], token?: string): Promise<void> {
  const client = await open(node, token);
  let answers = 0;
  const done = new Promise<void>((resolve, reject) => {
    client.on("message", () => {
      answers += 1;
      if (answers === frames.length) resolve();
    });
    client.on("close", (code) => reject(new Error(`closed with ${code}`)));
  });
  for (const frame of frames) client.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  if (frames.length > 0) await done;
  client.terminate();
}

async function joined(node: Node, ...topics: readonly string[]): Promise<WebSocket> {
  const client = await open(node);
  client.send(JSON.stringify({ command: "join", topics }));
  await once(client, "message");
  return client;
}

async function refusedWith({ port }: Node, token: string): Promise<void> {
  const client = new WebSocket(`ws://127.0.0.1:${port}/ws?token=${token}`);
  await new Promise<void>((resolve) => {
    client.on("error", () => resolve());
    client.on("open", () => {
      throw new Error("the token was not refused");
    });
  });
}

async function post({ port }: Node, body: string, method = "websockets.v1.BroadcastService/Publish"): Promise<void> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(`http://127.0.0.1:${port}/${method}`, { method: "POST", headers, body });
  await response.text();
}

function names(count: number, prefix = "topic-"): string[] {
  return Array.from({ length: Math.ceil(count) }, (_, number) => `${prefix}${number}`);
}

/** Different names of the letters a and b; up to 65,536. */
function hostileNames(count: number, length: number): string[] {
  return Array.from({ length: Math.ceil(count) }, (_, number) =>
    number.toString(2).padStart(16, "0").replaceAll("0", "a").replaceAll("1", "b").padStart(length, "ba"),
  );
}

function expressions(count: number, end: string): string[] {
  return Array.from({ length: count }, (_, number) => `${SLOW}${number}${end}`);
}
