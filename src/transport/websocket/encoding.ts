import type { Encoding } from "../../core/ports.js";
import type { MessageEncoding, Texts } from "../../dialects/dialect.js";
import { compressText, SHORTEST_COMPRESSED, takeCompression } from "./compression.js";
import { createCountedFrames, createCountedTemplate } from "./counted-frame.js";
import { createCompressedTextFrame, createTextFrame } from "./frame.js";

type ToFrame = (text: string) => Buffer;

/**
 * Returns the encoding of a dialect's messages as WebSocket frames, plain or compressed. Connections with the same
 * dialect encoding get the same object, so that they share bytes.
 */
export function getWebSocketEncoding(encoding: MessageEncoding, compression: boolean): Encoding {
  const known = compression ? compressedEncodings : plainEncodings;
  let result = known.get(encoding);
  if (result === undefined) {
    result = createEncoding(encoding, compression ? createCompressedFrame : createTextFrame);
    known.set(encoding, result);
  }
  return result;
}

const plainEncodings = new WeakMap<MessageEncoding, Encoding>();
const compressedEncodings = new WeakMap<MessageEncoding, Encoding>();

function createEncoding(encoding: MessageEncoding, toFrame: ToFrame): Encoding {
  const counted = encoding.counted === true;
  return {
    topicText: (topic) => encoding.topicText(topic),
    frame(message, topicText) {
      const text = encoding.text(message, topicText);
      // A text that differs for each connection cannot be compressed once for all.
      return counted ? createCountedTemplate(text) : toFrame(text);
    },
    countedFrames: counted ? createCountedFrames : undefined,
    laggedFrame(topic, missed) {
      return createFrames(encoding.laggedText(topic, missed), toFrame);
    },
    presenceFrame(update) {
      return createFrames(encoding.presenceText(update), toFrame);
    },
  };
}

/** Creates the concatenated frames of texts; undefined when there are none. */
export function createFrames(texts: Texts, toFrame: ToFrame): Uint8Array | undefined {
  if (texts === undefined || typeof texts === "string") return texts === undefined ? undefined : toFrame(texts);
  return texts.length === 0 ? undefined : Buffer.concat(texts.map(toFrame));
}

/** Compresses a frame if that makes it smaller; connections with compression accept both. */
function createCompressedFrame(text: string): Buffer {
  if (text.length < SHORTEST_COMPRESSED || !takeCompression(text)) return createTextFrame(text);
  const plain = createTextFrame(text);
  const frame = createCompressedTextFrame(compressText(text));
  return frame.length < plain.length ? frame : plain;
}
