import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { FLAGS, frameOf } from "../../dialects/roadrunner/support.js";
import { cleanUp } from "../../support/clean-up.js";
import { connect } from "../../support/clients/native.js";
import { type RunningNode, startCarillon } from "../../support/nodes/process.js";
import { temporaryFile } from "../../support/temporary-files.js";

/** Maximum number of open files; the module loader needs some hundreds at the start. */
const MOST = 512;

/** Returns the ports of the listeners by protocol. */
function portsOf({ grpc, http, log }: RunningNode): Readonly<Record<"http" | "grpc" | "roadrunner", number>> {
  const { roadrunner } = log.find(({ msg }) => msg === "ready") as { readonly roadrunner?: readonly string[] };
  const [http1, grpc1, rpc] = [http, `tcp://${grpc}`, roadrunner?.[0] ?? ""].map((url) => Number(new URL(url).port));
  return { http: http1 ?? 0, grpc: grpc1 ?? 0, roadrunner: rpc ?? 0 };
}

/** First bytes of a client by protocol; they are answered and leave the connection open. */
const GREETINGS = {
  http: Buffer.from("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
  grpc: Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0"),
  roadrunner: frameOf("rpc.Version", "true", { flags: FLAGS.json }),
} as const;

/** Opens a connection and sends the first request, so that the connection is not pending. */
async function openConnection(port: number, greeting: Uint8Array): Promise<Socket> {
  const socket = connectTcp(port, "127.0.0.1").on("error", () => {});
  cleanUp(() => socket.destroy());
  await once(socket, "connect");
  socket.write(greeting);
  const answered = new Promise((resolve) => {
    socket.once("data", resolve);
  });
  await Promise.race([answered, closed(socket)]);
  return socket;
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    socket.once("close", () => resolve());
    socket.resume();
  });
}

/** Reads /metrics, when a descriptor is free for the answer. */
async function metrics(node: RunningNode): Promise<string> {
  for (;;) {
    try {
      return await (await fetch(`${node.http}/metrics`)).text();
    } catch {
      // The node may not have noticed the ends of closed connections yet.
    }
  }
}

test.each(["http", "grpc", "roadrunner"] as const)(
  "O12: cuts, counts and logs connections that take the last file descriptors: %s",
  async (listener) => {
    const file = temporaryFile("carillon.yaml", "roadrunner: { listen: tcp://127.0.0.1:0 }\n");
    const node = await startCarillon(["--config", file], { openFiles: MOST });
    const port = portsOf(node)[listener];
    const client = await connect(`${node.ws}/ws`);
    const sockets: Socket[] = [];
    for (let number = 0; number < MOST; number += 1) sockets.push(await openConnection(port, GREETINGS[listener]));
    await Promise.race(sockets.map(closed));
    // Connected clients are still served.
    await client.join("topic");
    const record = await node.logged("no free file descriptor for a new connection: raise the limit of open files");
    expect(record).toMatchObject({ level: "error", code: "EMFILE" });
    for (const socket of sockets) socket.destroy();
    const text = await metrics(node);
    expect(text).toMatch(/^carillon_accept_errors_total\{code="EMFILE"\} [1-9]/m);
    expect(text).toMatch(new RegExp(`^process_max_fds ${MOST}$`, "m"));
    await (await connect(`${node.ws}/ws`)).join("topic");
  },
);
