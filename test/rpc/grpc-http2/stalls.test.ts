import { setImmediate as nextTurn } from "node:timers/promises";
import {
  dataFrame,
  FRAME_TYPE,
  MAX_WINDOW,
  SETTING,
  settingsFrame,
  windowUpdateFrame,
} from "../../../bench/fuzz/http2-frames.js";
import { connectHttp2, grpcStatus } from "../../support/raw/http2-peer.js";
import {
  attackNode,
  openCallFrame,
  PUBLISH_STREAM,
  PUBLISHED,
  publication,
  publishOn,
  rounds,
  UNAFFECTED,
  validCall,
} from "./support/attack.js";
import { BIG_ANSWER_BYTES, bigAnswers, startHttp2Mount } from "./support/mount.js";

const DEADLINE_EXCEEDED = 4;

/** Windows without an effect. */
const OPEN_WINDOWS = [
  settingsFrame([SETTING.initialWindowSize, MAX_WINDOW]),
  windowUpdateFrame(0, MAX_WINDOW - 65_535),
];

test.each<readonly [cause: string, bytes: Buffer]>([
  ["has no body", Buffer.alloc(0)],
  ["has half a message", dataFrame(1, publication().subarray(0, -1))],
  ["has half a frame", dataFrame(1, publication()).subarray(0, -1)],
  ["has a message, but no end", dataFrame(1, publication())],
])("L15: refuses a request that %s in time", async (_, bytes) => {
  const { address } = await startHttp2Mount({ requestTimeout: 200 });
  const peer = await connectHttp2(address);
  peer.send(openCallFrame(1), bytes);
  expect(grpcStatus(await peer.answer(1))).toBe(DEADLINE_EXCEEDED);
  expect(await publishOn(await connectHttp2(address), 1)).toEqual(PUBLISHED);
});

test("L15: refuses a message of a stream that arrives byte by byte, but not in time", async () => {
  const { address } = await startHttp2Mount({ requestTimeout: 200 });
  const peer = await connectHttp2(address);
  peer.send(openCallFrame(1, PUBLISH_STREAM), dataFrame(1, publication(1_000_000).subarray(0, 5)));
  while (!peer.received.some(({ stream }) => stream === 1)) {
    peer.send(dataFrame(1, Buffer.of(0)));
    await nextTurn();
  }
  expect(grpcStatus(await peer.answer(1))).toBe(DEADLINE_EXCEEDED);
});

test.each<readonly [cause: string, settings: Buffer, sent: number]>([
  ["its stream has no window (CVE-2019-9517)", settingsFrame([SETTING.initialWindowSize, 0]), 0],
  ["its stream's window is too small", settingsFrame([SETTING.initialWindowSize, 1_000]), 1_000],
  ["the connection's window is too small", settingsFrame([SETTING.initialWindowSize, MAX_WINDOW]), 65_535],
])("L15: resets a call whose answer is not read because %s", async (_, settings, sent) => {
  const { address } = await startHttp2Mount({ services: bigAnswers(), answerTimeout: 200 });
  const peer = await connectHttp2(address);
  peer.send(settings, validCall(1));
  const { body, reset } = await peer.answer(1);
  expect([body.length, reset]).toEqual([sent, "CANCEL"]);
  // The connection is usable.
  peer.send(settingsFrame([SETTING.initialWindowSize, MAX_WINDOW]), windowUpdateFrame(0, 1_000_000), validCall(3));
  const next = await peer.answer(3);
  expect(grpcStatus(next)).toBe(0);
  expect(next.body.length).toBeGreaterThan(BIG_ANSWER_BYTES);
});

test("sends a byte for each byte of a window, and resets the call when no more follow (CVE-2019-9511)", async () => {
  const { address } = await startHttp2Mount({ services: bigAnswers(), answerTimeout: 200 });
  const peer = await connectHttp2(address, { settings: [[SETTING.initialWindowSize, 1]] });
  peer.send(validCall(1));
  await peer.next(({ type }) => type === FRAME_TYPE.data);
  const updates = Array.from({ length: 5_000 }, () => windowUpdateFrame(1, 1));
  expect(await peer.outcomeOf(Buffer.concat(updates), 1)).toBe("tolerated");
  const { body, reset } = await peer.answer(1);
  expect([body.length, reset]).toEqual([5_001, "CANCEL"]);
});

/** Sockets of this process, the server's and the tests'. */
function countSockets(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === "TCPSocketWrap").length;
}

test("closes a connection whose answers are not read from its socket, and begins few of its calls", async () => {
  let calls = 0;
  const services = bigAnswers(() => {
    calls += 1;
  });
  const { address } = await startHttp2Mount({ services, answerTimeout: 200 });
  const peer = await connectHttp2(address);
  await peer.ping();
  const sockets = countSockets();
  peer.socket.pause();
  peer.send(...OPEN_WINDOWS, rounds(2_000, validCall));
  while (countSockets() === sockets) await nextTurn();
  // Their answers would have 140 MB.
  expect(calls).toBeLessThan(1_000);
  const witness = await connectHttp2(address, { settings: [[SETTING.initialWindowSize, MAX_WINDOW]] });
  witness.send(windowUpdateFrame(0, 1_000_000), validCall(1));
  expect(grpcStatus(await witness.answer(1))).toBe(0);
});

test("ends a stream that ignores the server's windows", async () => {
  const { attacker, publishElsewhere } = await attackNode({ settings: [[SETTING.initialWindowSize, 0]] });
  // The answers cannot be sent, so that the server stops reading after 256 requests.
  const body = Buffer.concat(Array.from({ length: 600 }, () => publication(16_000)));
  const frames: Buffer[] = [];
  for (let offset = 0; offset < body.length; offset += 16_384)
    frames.push(dataFrame(1, body.subarray(offset, offset + 16_384)));
  const outcome = await attacker.outcomeOf(Buffer.concat([openCallFrame(1, PUBLISH_STREAM), ...frames]), 1);
  expect(outcome).toMatch(/^(RST_STREAM|GOAWAY) FLOW_CONTROL_ERROR$/);
  expect(await publishElsewhere()).toEqual(UNAFFECTED);
});

test("answers the other calls of a connection when one of them stalls", async () => {
  const { address } = await startHttp2Mount({ services: bigAnswers() });
  const peer = await connectHttp2(address, { settings: [[SETTING.initialWindowSize, 0]] });
  peer.send(validCall(1), validCall(3), windowUpdateFrame(0, 1_000_000), windowUpdateFrame(3, 1_000_000));
  expect(grpcStatus(await peer.answer(3))).toBe(0);
  peer.send(windowUpdateFrame(1, 1_000_000));
  expect(grpcStatus(await peer.answer(1))).toBe(0);
});
