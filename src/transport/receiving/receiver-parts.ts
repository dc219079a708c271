import type { WebSocket } from "ws";

const RECEIVER = "_receiver";
const BUFFERED_BYTES = "_bufferedBytes";
const BUFFERS = "_buffers";
const FRAGMENTS = "_fragments";
const MESSAGE_LENGTH = "_messageLength";
const FRAGMENT_COUNT = "_numFragments";
const MASK = "_mask";
const COMPRESSED = "_compressed";
/** Cost of a buffered chunk or fragment in addition to its bytes. Measured: about 200 bytes. */
export const PIECE_COST = 256;

/** Private fields of the WebSocket library's receiver that hold bytes; its type definitions lack them. */
export interface ReceiverParts {
  /** Chunks of an incomplete frame. The first may be a view of a larger chunk. */
  [BUFFERS]: readonly Buffer[];
  /** Sum of their lengths. */
  [BUFFERED_BYTES]: number;
  /** Payloads of the complete frames of an incomplete message; views of the chunks that they arrived in. */
  [FRAGMENTS]: readonly Buffer[];
  /** Sum of their lengths. */
  readonly [MESSAGE_LENGTH]: number;
  /** Number of complete frames of an incomplete message, including empty and compressed ones. */
  readonly [FRAGMENT_COUNT]: number;
  /** Masking key; a view of the chunk that it arrived in. */
  [MASK]: Buffer | undefined;
  /** Whether the latest message is compressed. */
  readonly [COMPRESSED]: boolean;
  /** Bytes of chunks that wait while a message is inflated. */
  readonly writableLength: number;
}

export function getReceiverParts(webSocket: WebSocket): ReceiverParts {
  return (webSocket as unknown as Readonly<Record<typeof RECEIVER, ReceiverParts>>)[RECEIVER];
}

/** Whether no part of a message is held. */
export function isReceiverEmpty(receiver: ReceiverParts): boolean {
  return (
    receiver[BUFFERED_BYTES] === 0 &&
    receiver[FRAGMENT_COUNT] === 0 &&
    receiver[MASK] === undefined &&
    receiver.writableLength === 0
  );
}

/** Whether the latest message is compressed. */
export function isMessageCompressed(receiver: ReceiverParts): boolean {
  return receiver[COMPRESSED];
}

/**
 * Counts the bytes that are held of a message, including the cost of their pieces. The inflater counts compressed
 * fragments.
 */
export function countReceiverBytes(receiver: ReceiverParts): number {
  const pieces = receiver[BUFFERS].length + receiver[FRAGMENTS].length;
  // While a message is inflated, the waiting chunks include the buffered bytes.
  const buffered = Math.max(receiver[BUFFERED_BYTES], receiver.writableLength);
  return buffered + receiver[MESSAGE_LENGTH] + pieces * PIECE_COST;
}

/**
 * Copies pieces that are small parts of their chunks, so that a few bytes do not pin 64 KiB. It must be called after each
 * read, because it relies on earlier pieces being copied already.
 */
export function compactReceiver(receiver: ReceiverParts): void {
  if (receiver[MASK] !== undefined) receiver[MASK] = compact(receiver[MASK]);
  const [first] = receiver[BUFFERS];
  if (first !== undefined && isSmallPart(first)) receiver[BUFFERS] = receiver[BUFFERS].with(0, compact(first));
  const fragments = receiver[FRAGMENTS];
  const kept = fragments.findLastIndex((fragment) => !isSmallPart(fragment)) + 1;
  if (kept < fragments.length) {
    receiver[FRAGMENTS] = [...fragments.slice(0, kept), ...fragments.slice(kept).map((fragment) => compact(fragment))];
  }
}

/** Discards the held parts of a message. The receiver must not be given further data. */
export function emptyReceiver(receiver: ReceiverParts): void {
  receiver[BUFFERS] = [];
  receiver[BUFFERED_BYTES] = 0;
  receiver[FRAGMENTS] = [];
  receiver[MASK] = undefined;
}

/** @returns a copy of the bytes if they are a small part of the buffer that they pin; otherwise the bytes */
export function compact(bytes: Buffer): Buffer;
export function compact(bytes: Uint8Array): Uint8Array;
export function compact(bytes: Uint8Array): Uint8Array {
  if (!isSmallPart(bytes)) return bytes;
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

function isSmallPart({ buffer, length }: Uint8Array): boolean {
  return buffer.byteLength > 2 * length;
}
