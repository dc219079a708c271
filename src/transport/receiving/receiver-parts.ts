import type { WebSocket } from "ws";

const RECEIVER = "_receiver";
const BUFFERED_BYTES = "_bufferedBytes";
const BUFFERS = "_buffers";
const FRAGMENTS = "_fragments";
const MESSAGE_LENGTH = "_messageLength";
const FRAGMENT_COUNT = "_numFragments";
const MASK = "_mask";
const COMPRESSED = "_compressed";
/** Cost of a buffered chunk or fragment besides its bytes. Measured: some 200 bytes. */
export const PIECE_COST = 256;

/** The parts of the WebSocket library's receiver that hold bytes; its type definitions lack them. */
export interface ReceiverParts {
  /** Chunks of a frame that is not complete. The first may be a view of a larger chunk. */
  [BUFFERS]: readonly Buffer[];
  /** Sum of their lengths. */
  [BUFFERED_BYTES]: number;
  /** Payloads of the complete frames of a message that is not complete; views of the chunks that they came in. */
  [FRAGMENTS]: readonly Buffer[];
  /** Sum of their lengths. */
  readonly [MESSAGE_LENGTH]: number;
  /** Complete frames of a message that is not complete, empty and compressed ones too. */
  readonly [FRAGMENT_COUNT]: number;
  /** A view of the chunk that it came in. */
  [MASK]: Buffer | undefined;
  /** Whether the message that came last is compressed. */
  readonly [COMPRESSED]: boolean;
  /** Chunks that wait while a message is inflated. */
  readonly writableLength: number;
}

export function receiverOf(webSocket: WebSocket): ReceiverParts {
  return (webSocket as unknown as Readonly<Record<typeof RECEIVER, ReceiverParts>>)[RECEIVER];
}

/** Whether nothing of a message is held. */
export function isReceiverEmpty(receiver: ReceiverParts): boolean {
  return (
    receiver[BUFFERED_BYTES] === 0 &&
    receiver[FRAGMENT_COUNT] === 0 &&
    receiver[MASK] === undefined &&
    receiver.writableLength === 0
  );
}

/** Whether the message that came last is compressed. */
export function isMessageCompressed(receiver: ReceiverParts): boolean {
  return receiver[COMPRESSED];
}

/** Bytes that are held of a message, and the cost of their pieces. The inflater holds compressed fragments. */
export function receiverBytes(receiver: ReceiverParts): number {
  const pieces = receiver[BUFFERS].length + receiver[FRAGMENTS].length;
  // While a message is inflated, the buffered bytes are a part of those that wait.
  const buffered = Math.max(receiver[BUFFERED_BYTES], receiver.writableLength);
  return buffered + receiver[MESSAGE_LENGTH] + pieces * PIECE_COST;
}

/**
 * Copies pieces that are small parts of the chunks that they came in, so that they do not keep 64 KiB alive for a few
 * bytes. To be called after each read: earlier pieces have been copied then.
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

/** Forgets what is held of a message. The receiver must not be given anything after it. */
export function emptyReceiver(receiver: ReceiverParts): void {
  receiver[BUFFERS] = [];
  receiver[BUFFERED_BYTES] = 0;
  receiver[FRAGMENTS] = [];
  receiver[MASK] = undefined;
}

/** @returns a copy of the bytes where they are a small part of what they keep alive */
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
