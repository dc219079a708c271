import {
  dataFrame,
  FLAG,
  FRAME_TYPE,
  MAX_WINDOW,
  padded,
  rstStreamFrame,
  SETTING,
  settingsFrame,
  windowUpdateFrame,
} from "../../../bench/fuzz/http2-frames.js";
import { connectHttp2, grpcStatus } from "../../support/raw/http2-peer.js";
import { attackNode, openCallFrame, PUBLISHED, publication, publishOn, validCall } from "./support/attack.js";
import { bigAnswers, startHttp2Mount } from "./support/mount.js";
import { RequestWindows } from "./support/request-windows.js";

test("sends one byte for each byte of a stream's window", async () => {
  const { attacker } = await attackNode({ settings: [[SETTING.initialWindowSize, 1]] });
  attacker.send(validCall(1));
  for (let isEnded = false; !isEnded; ) {
    const { flags, type } = await attacker.next(({ stream }) => stream === 1);
    if (type === FRAME_TYPE.data) attacker.send(windowUpdateFrame(1, 1));
    isEnded = (flags & FLAG.endStream) !== 0;
  }
  const { body, pieces, reset } = await attacker.answer(1);
  expect(reset).toBeUndefined();
  expect(pieces).toEqual(Array.from(body, () => 1));
});

test("sends nothing more while a stream's window is negative, and exactly what is allowed then", async () => {
  const { address } = await startHttp2Mount({ services: bigAnswers() });
  const peer = await connectHttp2(address, { settings: [[SETTING.initialWindowSize, 1_000]] });
  const received = (): number =>
    peer.received.reduce((sum, { payload, type }) => sum + (type === FRAME_TYPE.data ? payload.length : 0), 0);
  peer.send(validCall(1));
  await peer.next(({ type }) => type === FRAME_TYPE.data);
  await peer.ping();
  expect(received()).toBe(1_000);
  // The window is now -1,000.
  peer.send(settingsFrame([SETTING.initialWindowSize, 0]), windowUpdateFrame(1, 1_000));
  await peer.ping();
  expect(received()).toBe(1_000);
  peer.send(windowUpdateFrame(1, 5));
  await peer.ping();
  expect(received()).toBe(1_005);
  peer.send(settingsFrame([SETTING.initialWindowSize, 300_000]), windowUpdateFrame(0, 300_000));
  expect(grpcStatus(await peer.answer(1))).toBe(0);
});

test("divides a large answer into frames of the default size", async () => {
  const { address } = await startHttp2Mount({ services: bigAnswers() });
  const peer = await connectHttp2(address, {
    settings: [
      [SETTING.initialWindowSize, MAX_WINDOW],
      [SETTING.maxFrameSize, 2 ** 24 - 1],
    ],
  });
  peer.send(windowUpdateFrame(0, 1_000_000), validCall(1));
  const { pieces } = await peer.answer(1);
  expect(Math.max(...pieces)).toBeLessThanOrEqual(16_384);
});

test("returns the windows of padding, so that a request of mostly padding is complete", async () => {
  const { attacker } = await attackNode();
  const windows = await RequestWindows.open(attacker);
  const body = publication(4_000);
  attacker.send(openCallFrame(1));
  // One byte in 257: more than a million bytes count towards the windows.
  for (const byte of body) await windows.send(1, dataFrame(1, padded(Buffer.of(byte), 255), FLAG.padded));
  attacker.send(dataFrame(1, "", FLAG.endStream));
  expect(grpcStatus(await attacker.answer(1))).toBe(0);
});

test("returns the connection's window for the bodies of refused calls", async () => {
  const { attacker } = await attackNode();
  const windows = await RequestWindows.open(attacker);
  for (let stream = 1; stream < 400; stream += 2) {
    attacker.send(openCallFrame(stream, "/unknown"));
    // The server answers at once; this much may be on its way.
    await windows.send(stream, dataFrame(stream, Buffer.alloc(16_000)));
    attacker.send(rstStreamFrame(stream));
  }
  expect(await publishOn(attacker, 401)).toEqual(PUBLISHED);
});
