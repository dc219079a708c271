import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { cleanUp } from "../support/clean-up.js";
import { connect } from "../support/client.js";
import { type RunningNode, startCarillon } from "../support/process.js";

/** The loader of modules needs some hundreds at the start. */
const MOST = 512;

async function openConnection({ http }: RunningNode): Promise<Socket> {
  const socket = connectTcp(Number(new URL(http).port), "127.0.0.1").on("error", () => {});
  cleanUp(() => socket.destroy());
  await once(socket, "connect");
  return socket;
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
    socket.resume();
  });
}

/** What /metrics says, once there is a descriptor for the answer. */
async function metrics(node: RunningNode): Promise<string> {
  for (;;) {
    try {
      return await (await fetch(`${node.http}/metrics`)).text();
    } catch {
      // Ends of connections that were given back may not be seen yet.
    }
  }
}

test("O12: cuts connections when the process is nearly out of file descriptors, counts them, and goes on", async () => {
  const node = await startCarillon([], { openFiles: MOST });
  const client = await connect(`${node.ws}/ws`);
  const sockets: Socket[] = [];
  for (let number = 0; number < MOST; number += 1) sockets.push(await openConnection(node));
  await Promise.race(sockets.map(closed));
  // Who is connected is served on.
  await client.join("topic");
  const record = await node.logged("no file descriptor is free for a connection: raise the limit of open files");
  expect(record).toMatchObject({ level: "error", code: "EMFILE" });
  for (const socket of sockets) socket.destroy();
  const text = await metrics(node);
  expect(text).toMatch(/^carillon_accept_errors_total\{code="EMFILE"\} [1-9]/m);
  expect(text).toMatch(new RegExp(`^process_max_fds ${MOST}$`, "m"));
  await (await connect(`${node.ws}/ws`)).join("topic");
});
