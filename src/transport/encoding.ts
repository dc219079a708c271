import type { Encoding } from "../core/ports.js";
import type { MessageEncoding } from "../dialects/dialect.js";
import { compressed, LEAST_COMPRESSED } from "./compression.js";
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
  return {
    frameMaker(topic) {
      const makeText = encoding.textMaker(topic);
      return (message) => toFrame(makeText(message));
    },
    laggedFrame(topic, missed) {
      const text = encoding.laggedText(topic, missed);
      return text === undefined ? undefined : toFrame(text);
    },
    presenceFrame(news) {
      const text = encoding.presenceText(news);
      return text === undefined ? undefined : toFrame(text);
    },
  };
}

/** Compressed where that makes it smaller; a connection that has negotiated compression takes both. */
function compressedFrame(text: string): Buffer {
  if (text.length < LEAST_COMPRESSED) return textFrame(text);
  const plain = textFrame(text);
  const frame = compressedTextFrame(compressed(text));
  return frame.length < plain.length ? frame : plain;
}
