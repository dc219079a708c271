import type { WebSocket } from "ws";

const RECEIVER = "_receiver";
/** Cost of a buffered chunk or fragment besides its bytes. Measured: some 200 bytes. */
export const PIECE_COST = 256;

/** The parts of the WebSocket library's receiver that hold bytes; its type definitions lack them. */
export interface ReceiverParts {
  /** Chunks of a frame that is not complete. The first may be a view of a larger chunk. */
  _buffers: readonly Buffer[];
  /** Sum of their lengths. */
  _bufferedBytes: number;
  /** Payloads of the complete frames of a message that is not complete; views of the chunks that they came in. */
  _fragments: readonly Buffer[];
  /** Sum of their lengths. */
  readonly _messageLength: number;
  /** Complete frames of a message that is not complete, empty and compressed ones too. */
  readonly _numFragments: number;
  /** A view of the chunk that it came in. */
  _mask: Buffer | undefined;
  /** Whether the message that came last is compressed. */
  readonly _compressed: boolean;
  /** Chunks that wait while a message is inflated. */
  readonly writableLength: number;
}

export function receiverOf(webSocket: WebSocket): ReceiverParts {
  return (webSocket as unknown as Readonly<Record<typeof RECEIVER, ReceiverParts>>)[RECEIVER];
}

/** Whether nothing of a message is held. */
export function isReceiverEmpty(receiver: ReceiverParts): boolean {
  return (
    receiver._bufferedBytes === 0 &&
    receiver._numFragments === 0 &&
    receiver._mask === undefined &&
    receiver.writableLength === 0
  );
}

/** Bytes that are held of a message, and the cost of their pieces. The inflater holds compressed fragments. */
export function receiverBytes(receiver: ReceiverParts): number {
  const pieces = receiver._buffers.length + receiver._fragments.length;
  // While a message is inflated, the buffered bytes are a part of those that wait.
  const buffered = Math.max(receiver._bufferedBytes, receiver.writableLength);
  return buffered + receiver._messageLength + pieces * PIECE_COST;
}

/**
 * Copies pieces that are small parts of the chunks that they came in, so that they do not keep 64 KiB alive for a few
 * bytes. To be called after each read: earlier pieces have been copied then.
 */
export function compactReceiver(receiver: ReceiverParts): void {
  if (receiver._mask !== undefined) receiver._mask = compact(receiver._mask);
  const [first] = receiver._buffers;
  if (first !== undefined && isSmallPart(first)) receiver._buffers = receiver._buffers.with(0, compact(first));
  const fragments = receiver._fragments;
  const kept = fragments.findLastIndex((fragment) => !isSmallPart(fragment)) + 1;
  if (kept < fragments.length) {
    receiver._fragments = [...fragments.slice(0, kept), ...fragments.slice(kept).map((fragment) => compact(fragment))];
  }
}

/** Forgets what is held of a message. The receiver must not be given anything after it. */
export function emptyReceiver(receiver: ReceiverParts): void {
  receiver._buffers = [];
  receiver._bufferedBytes = 0;
  receiver._fragments = [];
  receiver._mask = undefined;
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
