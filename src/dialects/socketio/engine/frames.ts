import type { Encoding } from "../../../core/ports.js";
import { createFrames } from "../../../transport/websocket/encoding.js";
import { createFrameHead, createTextFrame } from "../../../transport/websocket/frame.js";
import { BINARY_PACKET, SEPARATOR, type SocketIoEventEncoding, TEXT_PACKET } from "../encode.js";
import { createMessageFrame } from "../recovery/offset-frames.js";

/**
 * Conversion of frames. A session's frames are WebSocket frames of Engine.IO 4. Most clients use these, so a batch of them is
 * written unchanged. For polling clients, and for bytes to clients of Engine.IO 3, a batch is converted once for all clients.
 */

/** FIN and the binary opcode (RFC 6455 §5.2). */
const FINAL_BINARY = 0x82;

/** Packet type "message", which precedes bytes in Engine.IO 3. */
const MESSAGE = Buffer.of(4);

/**
 * Maximum number of packets in the answer to a poll. python-engineio refuses answers of more than 16 packets, and some may be
 * the library's own.
 */
export const PACKETS_A_POLL = 12;

/** Packet of a batch. */
export interface BatchPacket {
  /** Data of a packet of type "message", without the type. */
  readonly data: string | Buffer;
  readonly frame: Uint8Array;
}

/** Part of a batch for one poll. An event and its attachments are never in different parts. */
export interface PollPart {
  readonly packets: readonly BatchPacket[];
  readonly frames: Uint8Array;
  /** The whole part for Engine.IO 4, without the type of its first packet, which the library writes. */
  readonly text: string;
}

/** Creates the frames of one of the dialect's texts: a packet, then each attachment. */
export function packetFrames(text: string): Buffer {
  if (!text.includes(SEPARATOR)) return createTextFrame(text);
  return Buffer.concat(
    text
      .split(SEPARATOR)
      .map((packet) =>
        packet.startsWith(BINARY_PACKET)
          ? binaryFrame(Buffer.from(packet.slice(BINARY_PACKET.length), "base64"))
          : createTextFrame(packet),
      ),
  );
}

/**
 * Returns the encoding of messages as frames. It is the same object for the same dialect encoding, so that sessions share
 * bytes.
 */
export function socketIoEncoding(encoding: SocketIoEventEncoding): Encoding {
  let result = known.get(encoding);
  if (result === undefined) {
    result = {
      topicText: (topic) => encoding.topicText(topic),
      frame(message, topicText) {
        const text = encoding.text(message, topicText);
        return encoding.recoverable ? createMessageFrame(packetFrames, text, message.position) : packetFrames(text);
      },
      countedFrames: undefined,
      personal: encoding.recoverable,
      laggedFrame: (topic, missed) => createFrames(encoding.laggedText(topic, missed), packetFrames),
      presenceFrame: (update) => createFrames(encoding.presenceText(update), packetFrames),
    };
    known.set(encoding, result);
  }
  return result;
}

const known = new WeakMap<SocketIoEventEncoding, Encoding>();

/** Splits a batch into parts for polling clients. */
export function pollParts(frames: Uint8Array): readonly PollPart[] {
  let parts = knownParts.get(frames);
  if (parts === undefined) {
    parts = toPollParts(parsePackets(frames));
    knownParts.set(frames, parts);
  }
  return parts;
}

const knownParts = new WeakMap<Uint8Array, readonly PollPart[]>();

/** Converts a batch for WebSockets of Engine.IO 3, where the packet type precedes bytes. */
export function engine3Frames(frames: Uint8Array): Uint8Array {
  let result = knownFrames.get(frames);
  if (result === undefined) {
    const packets = parsePackets(frames);
    const hasBytes = packets.some(({ data }) => typeof data !== "string");
    result = hasBytes ? Buffer.concat(packets.map(engine3Frame)) : frames;
    knownFrames.set(frames, result);
  }
  return result;
}

const knownFrames = new WeakMap<Uint8Array, Uint8Array>();

function engine3Frame({ data, frame }: BatchPacket): Uint8Array {
  return typeof data === "string" ? frame : binaryFrame(Buffer.concat([MESSAGE, data]));
}

function toPollParts(packets: readonly BatchPacket[]): PollPart[] {
  const parts: BatchPacket[][] = [];
  for (const [at, packet] of packets.entries()) {
    const last = parts.at(-1);
    const length = typeof packets[at + 1]?.data === "object" ? 2 : 1;
    const fits = last !== undefined && last.length + length <= PACKETS_A_POLL;
    if (last !== undefined && (fits || typeof packet.data !== "string")) last.push(packet);
    else parts.push([packet]);
  }
  return parts.map((part) => ({
    packets: part,
    frames: Buffer.concat(part.map(({ frame }) => frame)),
    text: part.map(pollText).join(SEPARATOR).slice(TEXT_PACKET.length),
  }));
}

function pollText({ data }: BatchPacket): string {
  return typeof data === "string" ? TEXT_PACKET + data : BINARY_PACKET + data.toString("base64");
}

/** Reads packets back from the node's own frames, which are complete and unmasked. */
function parsePackets(frames: Uint8Array): BatchPacket[] {
  const bytes = Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength);
  const packets: BatchPacket[] = [];
  for (let at = 0; at < bytes.length; ) {
    const start = at;
    const isBinary = bytes[at] === FINAL_BINARY;
    let length = bytes.readUInt8(at + 1);
    let begin = at + 2;
    if (length === 126) {
      length = bytes.readUInt16BE(begin);
      begin += 2;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(begin));
      begin += 8;
    }
    at = begin + length;
    const data = isBinary ? bytes.subarray(begin, at) : bytes.toString("utf8", begin + TEXT_PACKET.length, at);
    packets.push({ data, frame: bytes.subarray(start, at) });
  }
  return packets;
}

function binaryFrame(bytes: Uint8Array): Buffer {
  const frame = createFrameHead(bytes.length, bytes.length, (buffer, begin) => {
    buffer.set(bytes, begin);
  });
  frame[0] = FINAL_BINARY;
  return frame;
}
