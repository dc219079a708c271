import { once } from "node:events";
import { WebSocket } from "ws";
import { startBusyWorker, withWorker } from "../support/idle-worker.js";
import {
  type Attack,
  exchange,
  hostileNames,
  joined,
  names,
  post,
  restartWatch,
  SLOW,
  type StallNode,
} from "./attack.js";

/** Commands of clients and their effects. */
export const COMMANDS: readonly Attack[] = [
  { name: "nothing", run: async () => {} },
  {
    name: "a join of 1,000 topics of 250 B against expressions that weigh 150",
    run: (node, size, { heavy }) => {
      return exchange(node, [{ command: "join", topics: hostileNames(1_000 * size, 250) }], heavy);
    },
  },
  {
    name: "20 tokens with 30 expressions that weigh 408 each, refused",
    run: async (node, size, { tooHeavy }) => {
      for (let times = 0; times < 20 * size; times += 1) await expectRefusal(node, tooHeavy);
    },
  },
  {
    name: "100 calls of events of 250 B against workers' expressions that weigh 5,800",
    run: (node, size) =>
      withWorker(node.grpc, createExpressions(43, "a"), () =>
        withWorker(node.grpc, createExpressions(43, "b"), async () => {
          await restartWatch(node);
          await exchange(
            node,
            hostileNames(100 * size, 250).map((event) => ({ command: "call", topics: [event] })),
          );
        }),
      ),
  },
  {
    name: "100 calls of events of 250 B whose worker disconnects while others' expressions weigh 5,800",
    run: async (node, size) => {
      const events = hostileNames(100 * size, 250);
      const { busy, lose } = await startBusyWorker(node.grpc, events);
      const answered = exchange(
        node,
        events.map((event) => ({ command: "call", topics: [event] })),
      );
      await busy;
      await withWorker(node.grpc, createExpressions(43, "a"), () =>
        withWorker(node.grpc, createExpressions(43, "b"), async () => {
          await restartWatch(node);
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
    name: "1,000 presence commands for a topic of 1,000 members in one write",
    run: async (node, size) => {
      const members = await Promise.all(names(1_000 * size).map(() => joined(node, "/", ["crowd"])));
      const commands = Array.from({ length: 1_000 * size }, () => ({ command: "presence", topics: ["crowd"] }));
      await restartWatch(node);
      await exchange(node, commands);
      for (const member of members) member.terminate();
    },
  },
  {
    name: "a message of 64 KiB for 1,000 members",
    run: async (node, size) => {
      const members = await Promise.all(names(1_000 * size).map(() => joined(node, "/", ["crowd"])));
      const received = members.map((member) => once(member, "message"));
      await restartWatch(node);
      await post(node, JSON.stringify({ messages: [{ topics: ["crowd"], text: "x".repeat(65_536) }] }));
      await Promise.all(received);
      for (const member of members) member.terminate();
    },
  },
];

async function expectRefusal({ port }: StallNode, token: string): Promise<void> {
  const client = new WebSocket(`ws://127.0.0.1:${port}/ws?token=${token}`);
  await new Promise<void>((resolve) => {
    client.on("error", () => resolve());
    client.on("open", () => {
      throw new Error("the token was not refused");
    });
  });
}

function createExpressions(count: number, end: string): string[] {
  return Array.from({ length: count }, (_, number) => `${SLOW}${number}${end}`);
}
