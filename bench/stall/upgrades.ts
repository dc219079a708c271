import { WebSocket } from "ws";
import { type Attack, names, type StallNode } from "./attack.js";

/** Upgrades and authentications with invalid tokens. */
export const UPGRADES: readonly Attack[] = [
  {
    name: "200 upgrades at once with tokens of invalid RS256 signatures",
    run: (node, size, { forged }) => refuseAll(node, "/ws/rsa", forged["/rsa"], 200 * size),
  },
  {
    name: "200 upgrades at once with tokens of invalid EdDSA signatures",
    run: (node, size, { forged }) => refuseAll(node, "/ws/ed", forged["/ed"], 200 * size),
  },
  {
    name: "200 authenticate commands at once with tokens of invalid RS256 signatures",
    run: async ({ port }, size, { forged }) => {
      const authenticate = async (): Promise<void> => {
        const client = new WebSocket(`ws://127.0.0.1:${port}/ws/rsa`, { perMessageDeflate: false });
        await new Promise<void>((resolve, reject) => {
          client.on("open", () => client.send(JSON.stringify({ command: "authenticate", token: forged["/rsa"] })));
          client.on("message", () => resolve());
          client.on("error", reject);
        });
        client.terminate();
      };
      await Promise.all(names(200 * size).map(authenticate));
    },
  },
];

async function refuseAll({ port }: StallNode, path: string, token: string, count: number): Promise<void> {
  const refused = names(count).map(
    () =>
      new Promise<void>((resolve, reject) => {
        const client = new WebSocket(`ws://127.0.0.1:${port}${path}?token=${token}`, { perMessageDeflate: false });
        client.on("error", () => resolve());
        client.on("open", () => reject(new Error("the token was not refused")));
      }),
  );
  await Promise.all(refused);
}
