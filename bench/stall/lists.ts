import type { WebSocket } from "ws";
import { type Attack, exchange, joined, names, open, post, restartWatch, type StallNode } from "./attack.js";

const ROCKET = "/rocket";

/** Lists of large sets, and changes to them. */
export const LISTS: readonly Attack[] = [
  {
    name: "a change of a vhost's settings with 20,000 memberships",
    run: (node, size) => changeVhost(node, size, { topics: [{ match: "topic-1*", presence: true }] }),
  },
  {
    name: "a change of a vhost's settings that ends 20,000 memberships",
    run: (node, size) => changeVhost(node, size, { access: "private" }),
  },
  {
    name: "Subscribe and Unsubscribe of 60 connections of a user to 1,000 topics",
    run: async (node, size, { heavy }) => {
      const clients = await Promise.all(names(60 * size).map(() => open(node, heavy)));
      const request = JSON.stringify({ target: { user: "user-0" }, topics: names(1_000 * size) });
      await restartWatch(node);
      await post(node, request, "carillon.v1.ControlService/Subscribe");
      await post(node, request, "carillon.v1.ControlService/Unsubscribe");
      return () => terminateAll(clients);
    },
  },
  {
    name: "ListTopics and ListConnections of 50,000 topics and 50 connections",
    run: async (node, size) => {
      const clients = await Promise.all(names(50 * size).map((name) => joined(node, "/", names(1_000, `${name}.`))));
      await restartWatch(node);
      for (const method of ["ListTopics", "ListConnections"]) {
        await post(node, JSON.stringify({ pageSize: 1_000 }), `carillon.v1.ControlService/${method}`);
      }
      for (const client of clients) client.terminate();
    },
  },
  {
    name: "WatchConnections of 8,000 connections",
    run: async (node, size) => {
      const clients = await connectMembers(node, 8_000 * size);
      await restartWatch(node);
      await watch(node, "carillon.v1.ControlService/WatchConnections", {}, "CONNECTION_CHANGE_CAUGHT_UP");
      return () => terminateAll(clients);
    },
  },
  {
    name: "WatchPresence of 8,000 members",
    run: async (node, size) => {
      const clients = await connectMembers(node, 8_000 * size);
      await restartWatch(node);
      await watch(node, "carillon.v1.PresenceService/WatchPresence", { topic: "crowd" }, '"caughtUp":true');
      return () => terminateAll(clients);
    },
  },
  {
    name: "GetPresence of 1,000 of 8,000 members",
    run: async (node, size) => {
      const clients = await connectMembers(node, 8_000 * size);
      await restartWatch(node);
      await post(node, JSON.stringify({ topic: "crowd" }), "carillon.v1.PresenceService/GetPresence");
      return () => terminateAll(clients);
    },
  },
  {
    name: "ListChannels, and WebRocket's list and subscribers, of 10,000 channels and 50,000 topics",
    run: async (node, size) => {
      const openChannels = async (some: readonly string[]): Promise<void> => {
        for (const channel of some) {
          await post(node, JSON.stringify({ channel }), "carillon.v1.ControlService/OpenChannel", ROCKET);
        }
      };
      await Promise.all(names(10).map((prefix) => openChannels(names(1_000 * size, `${prefix}.`))));
      const clients = await Promise.all(names(50 * size).map((name) => joined(node, ROCKET, names(1_000, `${name}.`))));
      await restartWatch(node);
      await post(node, "{}", "carillon.v1.ControlService/ListChannels", ROCKET);
      for (const list of ["", "/topic-0.0"]) {
        const headers = { "x-webrocket-cookie": node.webrocketCookie };
        const response = await fetch(`${node.webrocketAdmin}${ROCKET}/channels${list}`, { headers });
        if (response.status !== 200) throw new Error(await response.text());
        await response.text();
      }
      return () => terminateAll(clients);
    },
  },
];

/** Connects members of one topic in batches, because a node cuts handshakes that take too long. */
async function connectMembers(node: StallNode, count: number): Promise<WebSocket[]> {
  const members: WebSocket[] = [];
  while (members.length < count) {
    members.push(...(await Promise.all(names(100).map(() => joined(node, "/", ["crowd"])))));
  }
  return members;
}

function terminateAll(clients: readonly WebSocket[]): void {
  for (const client of clients) client.terminate();
}

/** Reads a Connect stream in JSON until it contains a text. */
async function watch({ port }: StallNode, method: string, request: object, last: string): Promise<void> {
  const message = Buffer.from(JSON.stringify(request));
  const body = new Uint8Array(5 + message.length);
  new DataView(body.buffer).setUint32(1, message.length);
  body.set(message, 5);
  const headers = { "content-type": "application/connect+json" };
  const response = await fetch(`http://127.0.0.1:${port}/${method}`, { method: "POST", headers, body });
  let end = "";
  for await (const chunk of response.body ?? []) {
    end = (end + Buffer.from(chunk).toString("latin1")).slice(-1_000);
    if (end.includes(last)) return;
  }
  throw new Error(`${method} ended: ${end}`);
}

/** Changes the settings of a vhost with 20 clients in 1,000 topics each. */
async function changeVhost(node: StallNode, size: number, settings: object): Promise<void> {
  const path = `/changed${Math.round(size * 100)}`;
  await post(node, JSON.stringify({ path }), "carillon.v1.ControlService/CreateVhost");
  const members = await Promise.all(names(20).map(() => joined(node, path, names(1_000 * size))));
  await restartWatch(node);
  await post(node, JSON.stringify({ path, settings }), "carillon.v1.ControlService/UpdateVhost");
  await exchange(node, [{ command: "leave", topics: ["t"] }]);
  terminateAll(members);
}
