import { Http2Connection } from "../../src/http2/http2-connection.js";
import { HTTP2_LIMITS, type Http2Limits } from "../../src/http2/http2-limits.js";
import {
  DEFAULT_FRAME_SIZE,
  ERROR_NAMES,
  FLAG,
  FRAME_TYPE,
  FrameParser,
  PREFACE,
  type ReceivedFrame,
} from "./http2-frames.js";
import { FuzzedReceiver, type SessionTotals } from "./http2-receiver.js";
import { completeSession, encodeSession, type FuzzedSession, LAST_PING, splitSession } from "./http2-sessions.js";
import { FUZZED_TABLE_BYTES } from "./http2-steps.js";

const DEFAULT_WINDOW = 65_535;

/** Types of frames that a server may send to a client. */
const SERVER_FRAMES: ReadonlySet<number> = new Set([
  FRAME_TYPE.data,
  FRAME_TYPE.headers,
  FRAME_TYPE.continuation,
  FRAME_TYPE.rstStream,
  FRAME_TYPE.settings,
  FRAME_TYPE.ping,
  FRAME_TYPE.goaway,
  FRAME_TYPE.windowUpdate,
]);

/** Small bounds, so that short sessions reach them. */
export const FUZZED_LIMITS: Http2Limits = {
  ...HTTP2_LIMITS,
  streams: 8,
  tableBytes: FUZZED_TABLE_BYTES,
  listBytes: 4_096,
  blockBytes: 8_192,
  streamWindow: 20_000,
  connectionWindow: 70_000,
  // Small, so that frames often wait for room in the output.
  outputBytes: 1_000,
  credits: 50,
};

/** Bytes by which the server widens the connection's window at its beginning. */
const FIRST_UPDATE = FUZZED_LIMITS.connectionWindow - DEFAULT_WINDOW;

/** The same, with one exception: what is sent must not depend on when the output is taken. */
const UNBOUNDED_OUTPUT: Http2Limits = { ...FUZZED_LIMITS, outputBytes: Number.MAX_SAFE_INTEGER };

/** Findings of one session. */
export interface SessionRun {
  readonly inputBytes: number;
  readonly outputBytes: number;
  readonly calls: number;
  /** Name of the error code of GOAWAY; undefined: the connection is usable. */
  readonly goaway: string | undefined;
}

/** A connection in a test, with everything it has sent. */
class FuzzedConnection {
  readonly totals: SessionTotals = { begun: 0, closed: 0, sent: 0 };
  readonly connection: Http2Connection<number>;
  readonly #limits: Http2Limits;
  readonly #output: Buffer[] = [];

  /** @param waits - as of {@link FuzzedReceiver} */
  constructor(limits: Http2Limits, waits: boolean) {
    this.#limits = limits;
    this.connection = new Http2Connection<number>({
      limits,
      now: () => 0,
      readHead: (fields) => fields.length,
      onStream: (stream) => {
        this.totals.begun += 1;
        return new FuzzedReceiver(stream, this.totals, waits);
      },
      onFault: (cause) => {
        throw cause;
      },
    });
  }

  /** Receives bytes, and takes the output. */
  receive(bytes: Buffer): void {
    this.connection.receive(bytes);
    if (this.connection.openStreams > this.#limits.streams) throw new Error("too many streams");
    for (let taken = this.connection.takeOutput(); taken !== undefined; taken = this.connection.takeOutput()) {
      this.#output.push(Buffer.from(taken));
    }
  }

  get output(): Buffer {
    return Buffer.concat(this.#output);
  }
}

/**
 * Runs a session and checks everything that holds for each.
 *
 * @throws Error if something does not hold
 */
export function runSession({ cuts, ...session }: FuzzedSession): SessionRun {
  const bytes = encodeSession(session);
  const served = new FuzzedConnection(FUZZED_LIMITS, true);
  for (const part of splitSession(bytes, cuts)) served.receive(part);
  checkSplits(bytes, cuts);
  const completed = completeSession(bytes);
  served.receive(completed.subarray(bytes.length));
  const { connection, output, totals } = served;
  const frames = splitOutput(output);
  const input = new FrameParser().push(completed.subarray(PREFACE.length));
  checkFrames(frames, input, connection.isOver);
  checkWindows(frames, input);
  if (!connection.isOver && connection.openStreams === 0) checkReturned(frames, input);
  expectTrue(output.length <= totals.sent + 30 * completed.length + 2_000, "the output is bounded by the input");
  const isAnswered = frames.some(({ flags, payload, type }) => type === 6 && flags === 1 && payload.equals(LAST_PING));
  expectTrue(connection.isOver || isAnswered, "the connection is over or usable");
  if (connection.isOver) expectTrue(connection.openStreams === 0, "no stream is open at the end");
  expectTrue(totals.begun - totals.closed === connection.openStreams, "each stream that is not open is closed");
  const last = frames.findLast(({ type }) => type === FRAME_TYPE.goaway);
  return {
    inputBytes: bytes.length,
    outputBytes: output.length,
    calls: totals.begun,
    goaway: last === undefined ? undefined : ERROR_NAMES[last.payload.readUInt32BE(4)],
  };
}

/** Checks that the output does not depend on how the input is split. */
function checkSplits(bytes: Buffer, cuts: readonly number[]): void {
  // Answers that wait leave later the more bytes are received at once.
  const [whole, split] = [new FuzzedConnection(UNBOUNDED_OUTPUT, false), new FuzzedConnection(UNBOUNDED_OUTPUT, false)];
  whole.receive(bytes);
  for (const part of splitSession(bytes, cuts)) split.receive(part);
  expectTrue(whole.output.equals(split.output), "the output does not depend on splits");
}

function splitOutput(output: Buffer): ReceivedFrame[] {
  const splitter = new FrameParser();
  const frames = splitter.push(output);
  expectTrue(splitter.rest === 0, "the output has whole frames");
  return frames;
}

/** Checks the order of the server's frames. RFC 9113, sections 5.1 and 6. */
function checkFrames(frames: readonly ReceivedFrame[], input: readonly ReceivedFrame[], isOver: boolean): void {
  const lastBegun = Math.max(0, ...input.map(({ stream, type }) => (type === FRAME_TYPE.headers ? stream : 0)));
  const answered = new Set<number>();
  const ended = new Set<number>();
  let isLast = false;
  for (const { flags, payload, stream, type } of frames) {
    expectTrue(!isLast, "nothing follows GOAWAY");
    expectTrue(SERVER_FRAMES.has(type), "servers send frames of this type");
    expectTrue(payload.length <= DEFAULT_FRAME_SIZE, "frames have the default size");
    expectTrue(stream === 0 || (stream % 2 === 1 && stream <= lastBegun), "frames are on streams that have begun");
    if (type === FRAME_TYPE.data) expectTrue(answered.has(stream), "DATA follows HEADERS");
    if (type === FRAME_TYPE.headers) answered.add(stream);
    if (type === FRAME_TYPE.rstStream) expectTrue(stream > 0, "the connection cannot be reset");
    // The rest of a request is refused after the end of its answer.
    else expectTrue(!ended.has(stream), "only RST_STREAM follows the end of a stream");
    const isEnd = type <= FRAME_TYPE.headers && (flags & FLAG.endStream) !== 0;
    if (isEnd || type === FRAME_TYPE.rstStream) ended.add(stream);
    isLast = type === FRAME_TYPE.goaway;
  }
  expectTrue(isLast === isOver, "GOAWAY ends the connection");
}

/** Checks the windows of both sides. RFC 9113, section 5.2. */
function checkWindows(output: readonly ReceivedFrame[], input: readonly ReceivedFrame[]): void {
  const sent = sumByStream(output, FRAME_TYPE.data, ({ payload }) => payload.length);
  const allowed = sumByStream(input, FRAME_TYPE.windowUpdate, readIncrement);
  const received = sumByStream(input, FRAME_TYPE.data, ({ payload }) => payload.length);
  const returned = sumByStream(output, FRAME_TYPE.windowUpdate, readIncrement);
  const initial = Math.max(DEFAULT_WINDOW, ...input.flatMap(readInitialWindows));
  expectTrue(addUp(sent) <= DEFAULT_WINDOW + (allowed.get(0) ?? 0), "the connection's window is kept");
  for (const [stream, bytes] of sent) expectTrue(bytes <= initial + (allowed.get(stream) ?? 0), "windows are kept");
  for (const [stream, bytes] of returned) {
    const most = stream === 0 ? FIRST_UPDATE + addUp(received) : (received.get(stream) ?? 0);
    expectTrue(bytes <= most, "windows only return what was received");
  }
}

/**
 * Checks that the connection's window is returned for everything that was received, when all streams are closed.
 *
 * @throws Error: it is not
 */
export function checkReturned(output: readonly ReceivedFrame[], input: readonly ReceivedFrame[]): void {
  const received = addUp(sumByStream(input, FRAME_TYPE.data, ({ payload }) => payload.length));
  const returned = sumByStream(output, FRAME_TYPE.windowUpdate, readIncrement).get(0) ?? 0;
  const most = FUZZED_LIMITS.connectionWindow / 2;
  expectTrue(received - (returned - FIRST_UPDATE) <= most, "the connection's window is returned");
}

function addUp(sums: ReadonlyMap<number, number>): number {
  return [...sums.values()].reduce((sum, bytes) => sum + bytes, 0);
}

function sumByStream(
  frames: readonly ReceivedFrame[],
  wanted: number,
  measure: (frame: ReceivedFrame) => number,
): ReadonlyMap<number, number> {
  const sums = new Map<number, number>();
  for (const frame of frames) {
    if (frame.type === wanted) sums.set(frame.stream, (sums.get(frame.stream) ?? 0) + measure(frame));
  }
  return sums;
}

function readIncrement({ payload }: ReceivedFrame): number {
  return payload.length === 4 ? payload.readUInt32BE() & 0x7f_ff_ff_ff : 0;
}

function readInitialWindows({ payload, type }: ReceivedFrame): number[] {
  const values: number[] = [];
  if (type !== FRAME_TYPE.settings) return values;
  for (let offset = 0; offset + 6 <= payload.length; offset += 6) {
    if (payload.readUInt16BE(offset) === 4) values.push(payload.readUInt32BE(offset + 2));
  }
  return values;
}

/** @throws Error: it is false. @param rule - what must hold */
function expectTrue(isTrue: boolean, rule: string): void {
  if (!isTrue) throw new Error(`violated: ${rule}`);
}
