import {
  continuationFrame,
  DEFAULT_FRAME_SIZE,
  dataFrame,
  FLAG,
  goawayFrame,
  headersFrame,
  http2Frame,
  MAX_WINDOW,
  padded,
  pingFrame,
  priorityFrame,
  rstStreamFrame,
  SETTINGS_ACK,
  settingsFrame,
  windowUpdateFrame,
} from "./http2-frames.js";
import { type HeaderPair, indexedLiteral, literalHeaders, tableIndex, tableSizeUpdate } from "./http2-headers.js";

/** Steps of a client that keeps the rules, except in its calls' sizes and windows. */
export const VALID_KINDS = ["call", "open", "body", "trailers", "cancel", "widen", "initialWindow", "pings"] as const;

/** Frames of each type, valid or not, and bytes that are no frame. */
export const ANY_KINDS = [
  "data",
  "headers",
  "continuation",
  "priority",
  "rstStream",
  "settings",
  "ping",
  "goaway",
  "windowUpdate",
  "other",
  "garbage",
] as const;

/** One step; each kind reads some of the fields. */
export interface SessionStep {
  readonly kind: (typeof VALID_KINDS | typeof ANY_KINDS)[number];
  /** Index into the client's streams, from the last one back, and then into unusual ones. */
  readonly stream: number;
  readonly flags: number;
  readonly value: number;
  readonly size: number;
}

/** Bytes of the dynamic table that the header blocks are made for. */
export const FUZZED_TABLE_BYTES = 512;

/** @param changes - fields that follow the others */
function requestTo(path: string, ...changes: readonly HeaderPair[]): readonly HeaderPair[] {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "localhost"],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ...changes,
  ];
}

const REQUEST = requestTo("/websockets.v1.BroadcastService/Publish");
const STREAM = requestTo("/websockets.v1.BroadcastService/PublishStream");

/** Header blocks of valid requests. */
const REQUESTS: readonly Buffer[] = [
  literalHeaders(REQUEST),
  literalHeaders(STREAM),
  Buffer.concat(REQUEST.map(indexedLiteral)),
  Buffer.concat([tableSizeUpdate(0), tableSizeUpdate(FUZZED_TABLE_BYTES), ...STREAM.map(indexedLiteral)]),
  literalHeaders(requestTo("/grpc.health.v1.Health/Watch")),
  literalHeaders(requestTo("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", ["grpc-timeout", "1S"])),
  literalHeaders(requestTo("/unknown.Service/Method", ["grpc-timeout", "1n"])),
  literalHeaders(requestTo("/websockets.v1.BroadcastService/PublishStream", ["grpc-encoding", "gzip"])),
];

/** Request whose body must have 100 bytes. */
const SIZED_REQUEST = literalHeaders([...REQUEST, ["content-length", "100"]]);

/** Message of gRPC: a publication. */
const MESSAGE = Buffer.from("00000000050a03120161", "hex");

/** Header blocks. The first two are valid trailers; most others are invalid. */
const BLOCKS: readonly Buffer[] = [
  literalHeaders([["x-end", "1"]]),
  Buffer.alloc(0),
  ...REQUESTS,
  Buffer.concat(REQUEST.map((_, index) => tableIndex(61 + REQUEST.length - index))),
  literalHeaders([...REQUEST, ["X-Upper", "1"]]),
  literalHeaders(REQUEST.slice(1)),
  Buffer.concat([
    literalHeaders(REQUEST),
    indexedLiteral(["x-big", "v".repeat(400)]),
    Buffer.alloc(100, tableIndex(62)),
  ]),
  Buffer.concat([literalHeaders(REQUEST), Buffer.alloc(1_000, tableIndex(17))]),
  Buffer.concat([literalHeaders(REQUEST), Buffer.alloc(300)]),
  Buffer.from("828684be58086e6f2d6361636865", "hex"),
  Buffer.from("828684418cf1e3c2e5f23a6ba0ab90f4ff", "hex"),
  literalHeaders(REQUEST).subarray(0, 30),
  Buffer.of(0x80),
  Buffer.from("ffffffffffffffffffff7f", "hex"),
];

/** State of the client of a session. */
export interface FuzzedClient {
  /** The stream that the client begins next. */
  next: number;
  /** Streams whose request is not complete, the last one first. */
  open: number[];
}

/** Encodes one step, and notes what the client has begun. */
export function encodeStep(step: SessionStep, client: FuzzedClient): Uint8Array {
  const { flags, kind, size, value } = step;
  const stream = toStream(step, client);
  switch (kind) {
    case "call":
    case "open":
      return encodeRequest(step, client);
    case "body":
    case "trailers":
    case "cancel":
      return encodeRest(step, client);
    case "widen":
      return windowUpdateFrame(flags % 2 === 0 ? 0 : (findOpen(step, client) ?? 0), 1 + (value % 70_000));
    case "initialWindow":
      return settingsFrame([4, value % 200_000]);
    case "pings":
      return Buffer.concat([pingFrame("fuzzing!"), http2Frame(0x20, flags, value, "unknown")]);
    case "data":
      return dataFrame(stream, Buffer.alloc(size, value), flags);
    case "headers":
      return headersFrame(stream, toBlock(value), flags);
    case "continuation":
      return continuationFrame(stream, toBlock(value), flags);
    case "priority":
      return priorityFrame(stream, value % 16);
    case "rstStream":
      return rstStreamFrame(stream, value);
    case "settings":
      return flags % 8 === 7 ? SETTINGS_ACK : settingsFrame([flags % 8, value], [(flags >> 3) % 8, size]);
    case "ping":
      return pingFrame("fuzzing!", flags & FLAG.ack);
    case "goaway":
      return goawayFrame(stream, value);
    case "windowUpdate":
      return windowUpdateFrame(flags % 2 === 0 ? stream : 0, value);
    case "other":
      return http2Frame(flags % 16, flags, stream, Buffer.alloc(size, value));
    case "garbage":
      return Buffer.alloc(size, value);
    default:
      throw new Error(kind satisfies never);
  }
}

/** Encodes the beginning of a request, or all of it. */
function encodeRequest({ kind, size, stream, value }: SessionStep, client: FuzzedClient): Buffer {
  const id = client.next;
  client.next += 2;
  // One in 13 has a length, which is seldom that of its body.
  const headers = headersFrame(
    id,
    stream === 12 ? SIZED_REQUEST : (REQUESTS[value % REQUESTS.length] ?? SIZED_REQUEST),
  );
  const body = toBody(size, value);
  if (kind === "call") return Buffer.concat([headers, dataFrame(id, body, FLAG.endStream)]);
  client.open.unshift(id);
  return headers;
}

/** Encodes more of an open request, its end or its cancellation. */
function encodeRest(step: SessionStep, client: FuzzedClient): Buffer {
  const { flags, kind, size, value } = step;
  const id = findOpen(step, client);
  if (id === undefined) return Buffer.alloc(0);
  const isEnd = kind !== "body" || (flags & FLAG.endStream) !== 0;
  if (isEnd) client.open = client.open.filter((open) => open !== id);
  if (kind === "cancel") return rstStreamFrame(id);
  if (kind === "trailers") return headersFrame(id, toBlock(size % 2), FLAG.endHeaders | FLAG.endStream);
  const bytes = toBody(size, value);
  if ((flags & FLAG.padded) === 0) return dataFrame(id, bytes, flags & FLAG.endStream);
  return dataFrame(id, padded(bytes.subarray(0, 10_000), size % 256), flags & (FLAG.endStream | FLAG.padded));
}

/** Returns publications, empty messages or other bytes. */
function toBody(size: number, value: number): Buffer {
  return Buffer.alloc(Math.min(size, DEFAULT_FRAME_SIZE), [MESSAGE, 0, value][value % 3]);
}

function findOpen({ stream }: SessionStep, { open }: FuzzedClient): number | undefined {
  return open[stream % Math.max(1, open.length)];
}

/** Returns one of the last streams that the client has begun, or an unusual one. */
function toStream({ stream }: SessionStep, { next }: FuzzedClient): number {
  if (stream < 6) return Math.max(1, next - 2 - 2 * stream);
  return [0, 2, next, next + 2, next + 5, 1, MAX_WINDOW][stream - 6] ?? 1;
}

function toBlock(value: number): Buffer {
  return BLOCKS[value % BLOCKS.length] ?? Buffer.alloc(0);
}
