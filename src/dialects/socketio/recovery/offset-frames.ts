import { createFrameHead, createTextFrame } from "../../../transport/websocket/frame.js";
import { SEPARATOR } from "../encode.js";

/** Frame of a message, and where an offset is added to it. */
interface MessageFrame {
  /** Bounds of the event's text in the frame, without its closing bracket. */
  readonly begin: number;
  readonly end: number;
  /** Position of the message; undefined for one that is not stored. */
  readonly position: string | undefined;
}

const known = new WeakMap<Uint8Array, MessageFrame>();

/**
 * Creates the frame of a message that clients without an offset get as it is.
 * @param toFrame - creates the frames of a text: a packet, then each attachment
 */
export function createMessageFrame(toFrame: (text: string) => Uint8Array, text: string, position: string | undefined) {
  const frame = toFrame(text);
  const [event = ""] = text.split(SEPARATOR, 1);
  const length = Buffer.byteLength(event);
  const begin = createTextFrame(event).length - length;
  known.set(frame, { begin, end: begin + length - 1, position });
  return frame;
}

/** Returns the position of the message in a frame; undefined for a frame without a stored message. */
export function positionOf(frame: Uint8Array): string | undefined {
  return known.get(frame)?.position;
}

/** Adds an offset to an event as its last argument. @param offset - without characters that JSON escapes */
export function addOffset(frame: Uint8Array, offset: string): Uint8Array {
  const parts = known.get(frame);
  if (parts === undefined) return frame;
  const { begin, end } = parts;
  const last = `,"${offset}"]`;
  const length = end - begin + last.length;
  const event = createFrameHead(length, length, (buffer, at) => {
    buffer.set(frame.subarray(begin, end), at);
    buffer.write(last, at + end - begin, "latin1");
  });
  // Attachments follow the event in frames of their own.
  return frame.length === end + 1 ? event : Buffer.concat([event, frame.subarray(end + 1)]);
}
