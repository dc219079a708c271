import { setImmediate as nextTurn } from "node:timers/promises";
import {
  continuationFrame,
  dataFrame,
  FLAG,
  FRAME_TYPE,
  headersFrame,
  http2Frame,
  PREFACE,
  settingsFrame,
} from "../../../bench/fuzz/http2-frames.js";
import { literalHeaders } from "../../../bench/fuzz/http2-headers.js";
import { connectHttp2, grpcFields, grpcStatus, type Http2Peer } from "../../support/raw/http2-peer.js";
import { openCallFrame, PUBLISH, PUBLISHED, publication, publishOn } from "./support/attack.js";
import { startHttp2Mount } from "./support/mount.js";

/** Longer than a handshake takes, also on a loaded machine, in milliseconds. */
const SHORT = 2_000;

/** Sends one byte in each turn of the event loop, all but the last one. */
async function trickle(peer: Http2Peer, bytes: Buffer): Promise<void> {
  for (let offset = 0; offset < bytes.length - 1 && !peer.isClosed; offset += 1) {
    peer.send(bytes.subarray(offset, offset + 1));
    await nextTurn();
  }
}

test("L12: closes connections that do not complete the preface and settings in time, and keeps others", async () => {
  const { address } = await startHttp2Mount({ port: { handshakeTimeout: SHORT } });
  const witness = await connectHttp2(address);
  await witness.ping();
  const starts = [
    Buffer.of(),
    PREFACE.subarray(0, 10),
    PREFACE,
    Buffer.concat([PREFACE, http2Frame(FRAME_TYPE.settings, 0, 0, Buffer.alloc(6_000))]),
  ];
  await Promise.all(
    starts.map(async (start) => {
      const peer = await connectHttp2(address, { opens: false });
      await trickle(peer, start);
      expect(await peer.outcome()).toBe("closed");
    }),
  );
  expect(await publishOn(witness, 1)).toEqual(PUBLISHED);
});

const BLOCK = literalHeaders(grpcFields(PUBLISH));
const HALF_BLOCK = headersFrame(1, BLOCK.subarray(0, 20), 0);

test("ends connections whose header blocks are not complete in time", async () => {
  const { address } = await startHttp2Mount({ port: { handshakeTimeout: SHORT } });
  const halfContinued = Buffer.concat([HALF_BLOCK, continuationFrame(1, BLOCK).subarray(0, 30)]);
  await Promise.all(
    [HALF_BLOCK, halfContinued].map(async (bytes) => {
      const peer = await connectHttp2(address);
      // Acknowledges the server's settings before the block.
      await peer.ping();
      peer.send(bytes);
      expect(await peer.outcome()).toBe("GOAWAY ENHANCE_YOUR_CALM");
    }),
  );
  expect(await publishOn(await connectHttp2(address), 1)).toEqual(PUBLISHED);
});

test("ends idle connections that have sent half of a frame", async () => {
  const { address } = await startHttp2Mount({ idleTimeout: 200 });
  const frames = [headersFrame(1, BLOCK), settingsFrame([1, 1]), http2Frame(0x77, 0, 0, "1234")];
  await Promise.all(
    frames.map(async (bytes) => {
      const peer = await connectHttp2(address, { acknowledges: false });
      peer.send(bytes.subarray(0, -1));
      await peer.closed;
      expect(peer.goaways.at(-1)).toMatchObject({ lastStream: 0 });
    }),
  );
});

test("L12: closes a connection without calls after GOAWAY", async () => {
  const { address } = await startHttp2Mount({ idleTimeout: 20 });
  const peer = await connectHttp2(address);
  await peer.closed;
  expect(peer.goaways.at(-1)).toMatchObject({ code: "NO_ERROR", lastStream: 0 });
});

test("closes a connection after its maximum age, once its calls are answered", async () => {
  const { address } = await startHttp2Mount({ maxAge: SHORT });
  const peer = await connectHttp2(address);
  peer.send(openCallFrame(1));
  // The second one names the last call.
  while (peer.goaways.length < 2) await peer.next(({ type }) => type === FRAME_TYPE.goaway);
  peer.send(dataFrame(1, publication(), FLAG.endStream));
  expect(grpcStatus(await peer.answer(1))).toBe(0);
  await peer.closed;
  expect(peer.goaways.at(-1)).toEqual({ code: "NO_ERROR", lastStream: 1 });
});

test("stops although a client answers neither GOAWAY nor pings", async () => {
  const { address, mount } = await startHttp2Mount();
  const peer = await connectHttp2(address, { acknowledges: false });
  await peer.ping();
  await mount.close();
  await peer.closed;
  expect(peer.goaways.at(-1)).toEqual({ code: "NO_ERROR", lastStream: 0 });
});

test("closes a connection whose peer does not answer pings, and keeps one whose peer does", async () => {
  const dead = await startHttp2Mount({ keepalive: { time: 20, timeout: 20 } });
  const peer = await connectHttp2(dead.address, { acknowledges: false });
  peer.send(openCallFrame(1));
  await peer.closed;
  const alive = await startHttp2Mount({ keepalive: { time: 20, timeout: 600_000 } });
  const other = await connectHttp2(alive.address);
  for (let count = 0; count < 3; count += 1)
    await other.next(({ flags, type }) => type === FRAME_TYPE.ping && flags === 0);
  expect(await publishOn(other, 1)).toEqual(PUBLISHED);
});
