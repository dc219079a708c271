import type { Encoding } from "../../core/ports.js";
import type { MessageEncoding, Texts } from "../../dialects/dialect.js";
import { compressText, LEAST_COMPRESSED, takeCompression } from "./compression.js";
import { countedTemplate, countedTextFrames } from "./counted-frame.js";
import { compressedTextFrame, textFrame } from "./frame.js";

type ToFrame = (text: string) => Buffer;

/**
 * A dialect's messages as WebSocket frames: plain ones, and compressed ones for the connections that have negotiated
 * it. The same objects for the same dialect encoding, so that connections share bytes, compressed ones too.
 */
export function webSocketEncoding(encoding: MessageEncoding, compression: boolean): Encoding {
  const known = compression ? compressedEncodings : plainEncodings;
  let result = known.get(encoding);
  if (result === undefined) {
    result = encodingWith(encoding, compression ? compressedFrame : textFrame);
    known.set(encoding, result);
  }
  return result;
}

const plainEncodings = new WeakMap<MessageEncoding, Encoding>();
const compressedEncodings = new WeakMap<MessageEncoding, Encoding>();

function encodingWith(encoding: MessageEncoding, toFrame: ToFrame): Encoding {
  const counted = encoding.counted === true;
  return {
    frameMaker(topic) {
      const makeText = encoding.textMaker(topic);
      // What is another text for each connection cannot be compressed once for all.
      return counted ? (message) => countedTemplate(makeText(message)) : (message) => toFrame(makeText(message));
    },
    countedFrames: counted ? countedTextFrames : undefined,
    laggedFrame(topic, missed) {
      return createFrames(encoding.laggedText(topic, missed), toFrame);
    },
    presenceFrame(news) {
      return createFrames(encoding.presenceText(news), toFrame);
    },
  };
}

/** Several texts as frames one after the other; undefined for none. */
export function createFrames(texts: Texts, toFrame: ToFrame): Uint8Array | undefined {
  if (texts === undefined || typeof texts === "string") return texts === undefined ? undefined : toFrame(texts);
  return texts.length === 0 ? undefined : Buffer.concat(texts.map(toFrame));
}

/** Compressed where that makes it smaller; a connection that has negotiated compression takes both. */
function compressedFrame(text: string): Buffer {
  if (text.length < LEAST_COMPRESSED || !takeCompression(text)) return textFrame(text);
  const plain = textFrame(text);
  const frame = compressedTextFrame(compressText(text));
  return frame.length < plain.length ? frame : plain;
}
