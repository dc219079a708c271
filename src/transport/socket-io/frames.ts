import type { Encoding } from "../../core/ports.js";
import type { MessageEncoding } from "../../dialects/dialect.js";
import { BINARY_PACKET, SEPARATOR, TEXT_PACKET } from "../../dialects/socketio/encode.js";
import { framesOf } from "../encoding.js";
import { textFrame, textFrameOf } from "../frame.js";

/**
 * A session's frames are WebSocket frames, which is what most clients come to take: they are written as they are, a batch of
 * them at once. For a client that polls the batch is taken apart again, once for all who poll.
 */

/** FIN and the binary opcode (RFC 6455 §5.2). */
const FINAL_BINARY = 0x82;

/** The frames of a text of the dialect: a packet, and its attachments as frames of their own. */
export function packetFrames(text: string): Buffer {
  if (!text.includes(SEPARATOR)) return textFrame(text);
  return Buffer.concat(
    text
      .split(SEPARATOR)
      .map((packet) =>
        packet.startsWith(BINARY_PACKET)
          ? binaryFrame(Buffer.from(packet.slice(BINARY_PACKET.length), "base64"))
          : textFrame(packet),
      ),
  );
}

/** The same object for the same dialect encoding, so that sessions share bytes. */
export function socketIoEncoding(encoding: MessageEncoding): Encoding {
  let result = known.get(encoding);
  if (result === undefined) {
    result = {
      frameMaker(topic) {
        const makeText = encoding.textMaker(topic);
        return (message) => packetFrames(makeText(message));
      },
      countedFrames: undefined,
      laggedFrame: (topic, missed) => framesOf(encoding.laggedText(topic, missed), packetFrames),
      presenceFrame: (news) => framesOf(encoding.presenceText(news), packetFrames),
    };
    known.set(encoding, result);
  }
  return result;
}

const known = new WeakMap<MessageEncoding, Encoding>();

/** The packets of frames as a client gets them that polls, without the mark of the first: the library writes that. */
export function pollingText(frames: Uint8Array): string {
  let text = pollingTexts.get(frames);
  if (text === undefined) {
    text = packetsOf(frames).join(SEPARATOR).slice(TEXT_PACKET.length);
    pollingTexts.set(frames, text);
  }
  return text;
}

const pollingTexts = new WeakMap<Uint8Array, string>();

/** Of frames of our own: whole messages, unmasked. */
function packetsOf(frames: Uint8Array): string[] {
  const bytes = Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength);
  const packets: string[] = [];
  for (let at = 0; at < bytes.length; ) {
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
    packets.push(isBinary ? BINARY_PACKET + bytes.toString("base64", begin, at) : bytes.toString("utf8", begin, at));
  }
  return packets;
}

function binaryFrame(bytes: Uint8Array): Buffer {
  const frame = textFrameOf(bytes.length, bytes.length, (buffer, begin) => {
    buffer.set(bytes, begin);
  });
  frame[0] = FINAL_BINARY;
  return frame;
}
