import { once } from "node:events";
import { WebSocket } from "ws";
import { type Attack, exchange, joined, names, post, watchFromHere } from "./attack.js";

/** Lists of large sets, and changes to them. */
export const LISTS: readonly Attack[] = [
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
