import { FLAG, FRAME_TYPE, http2Frame, PREFACE, settingsFrame } from "../../../bench/fuzz/http2-frames.js";
import { connectHttp2 } from "../../support/raw/http2-peer.js";
import { openCallFrame, PUBLISH, PUBLISHED, publishOn, rounds, startHttp2Node, validCall } from "./support/attack.js";
import { startHttp2Mount } from "./support/mount.js";

test.each<readonly [cause: string, bytes: Buffer]>([
  ["before its preface", Buffer.alloc(0)],
  ["within a frame", Buffer.concat([PREFACE, settingsFrame(), openCallFrame(1).subarray(0, 20)])],
  ["within a request", Buffer.concat([PREFACE, settingsFrame(), openCallFrame(1)])],
  ["after a request", Buffer.concat([PREFACE, settingsFrame(), validCall(1)])],
])("closes a connection whose client ends its side %s", async (_, bytes) => {
  const { address } = await startHttp2Mount();
  const witness = await connectHttp2(address);
  const peer = await connectHttp2(address, { opens: false, allowHalfOpen: true });
  peer.send(bytes);
  peer.socket.end();
  // The peer's side is closed already, so that its socket closes with the server's side.
  await peer.closed;
  expect(await publishOn(witness, 1)).toEqual(PUBLISHED);
});

test("survives clients that reset their connections within calls", async () => {
  const node = await startHttp2Node();
  const witness = await connectHttp2(node.grpc);
  for (const bytes of [openCallFrame(1), validCall(1), rounds(100, validCall), openCallFrame(1).subarray(0, 30)]) {
    const peer = await connectHttp2(node.grpc);
    peer.send(bytes);
    await witness.ping();
    peer.socket.resetAndDestroy();
    await peer.closed;
  }
  expect(await publishOn(witness, 1)).toEqual(PUBLISHED);
});

test.each<readonly [text: string, bytes: Buffer]>([
  ["a request of HTTP/1.1", Buffer.from(`POST ${PUBLISH} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`)],
  ["an upgrade to h2c", Buffer.from("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")],
  ["a TLS handshake", Buffer.from("16030100c8010000c40303", "hex")],
  ["a preface with a changed byte", Buffer.concat([Buffer.from("PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n"), settingsFrame()])],
  ["a preface without settings", Buffer.concat([PREFACE, http2Frame(FRAME_TYPE.ping, 0, 0, "12345678")])],
  [
    "a preface and an acknowledgment of settings",
    Buffer.concat([PREFACE, http2Frame(FRAME_TYPE.settings, FLAG.ack, 0)]),
  ],
  ["zeros", Buffer.alloc(1_000)],
])("closes a connection that begins with %s", async (_, bytes) => {
  const { address } = await startHttp2Mount();
  const witness = await connectHttp2(address);
  const peer = await connectHttp2(address, { opens: false });
  peer.send(bytes);
  expect(await peer.outcome()).toMatch(/^(closed|GOAWAY PROTOCOL_ERROR)$/);
  expect(await publishOn(witness, 1)).toEqual(PUBLISHED);
});
