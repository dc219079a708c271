import { once } from "node:events";
import { connect } from "../../support/clients/native.js";
import { type RunningNode, startCarillon } from "../../support/nodes/process.js";
import { connectRaw } from "../../support/raw/client.js";
import { connectGrpc, framed, openCall } from "../../support/raw/grpc.js";
import { temporaryFile } from "../../support/temporary-files.js";

const MIB = 1_024 * 1_024;
/** Heap limit, far below the memory that the attack would need. */
const HEAP = { NODE_OPTIONS: "--max-old-space-size=96" };
const READERS = 60;
const ROUNDS = 4;
const VISITORS = 20;

async function memoryOf(node: RunningNode): Promise<number> {
  const text = await (await fetch(`${node.http}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]);
}

const FEED = "GET /api/v1/connections/ HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
const WATCH = "/carillon.v1.ControlService/WatchConnections";
const CONNECT = Buffer.concat([
  Buffer.from(
    `POST ${WATCH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/connect+json\r\nContent-Length: 7\r\n\r\n`,
  ),
  framed(Buffer.from("{}")),
]);

test("SECURITY: bounds the memory of event streams that are not read, and delivers everything to one that is", async () => {
  const config = { vhosts: { "/": { presence: true } } };
  const node = await startCarillon(["--config", temporaryFile("carillon.yaml", JSON.stringify(config))], {
    environment: HEAP,
  });
  const before = await memoryOf(node);
  for (let count = 0; count < READERS; count += 1) {
    const { socket } = await connectRaw(node.http);
    socket.pause();
    socket.write(count % 2 === 0 ? FEED : CONNECT);
  }
  const session = await connectGrpc(node.grpc);
  for (let count = 0; count < READERS; count += 1) {
    const isPresence = count % 2 === 0;
    const { stream } = openCall(session, isPresence ? "/carillon.v1.PresenceService/WatchPresence" : WATCH);
    stream.end(framed(isPresence ? Buffer.from([0x0a, 0x01, 0x74]) : Buffer.alloc(0)));
    await once(stream, "response");
    stream.pause();
  }
  const honest = await fetch(`${node.http}/api/v1/connections/`, { headers: { accept: "text/event-stream" } });
  let text = "";
  const decoder = new TextDecoder();
  const reading = (async () => {
    for await (const chunk of honest.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      if (text.split("event: closed").length > ROUNDS * VISITORS) return;
    }
  })();

  for (let round = 0; round < ROUNDS; round += 1) {
    const visitors = await Promise.all(Array.from({ length: VISITORS }, () => connect(`${node.ws}/ws`)));
    for (const visitor of visitors) await visitor.join("t");
    for (const { webSocket } of visitors) webSocket.terminate();
    expect((await fetch(`${node.http}/healthz`)).status).toBe(200);
  }
  await reading;
  expect(text.split("event: opened").length - 1).toBe(ROUNDS * VISITORS);
  expect((await memoryOf(node)) - before).toBeLessThan(128 * MIB);
});
