import type { Encoding } from "../core/ports.js";
import type { MessageEncoding } from "../dialects/dialect.js";

/** FIN and the text opcode. Source: RFC 6455 §5.2. */
const FINAL_TEXT = 0x81;

/** A server's text frame, header and payload in one buffer; unmasked, as all that a server sends. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(header + length);
  frame[0] = FINAL_TEXT;
  if (header === 2) {
    frame[1] = length;
  } else if (header === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.write(text, header, "utf8");
  return frame;
}

const framed = new WeakMap<MessageEncoding, Encoding>();

/** A dialect's messages as WebSocket frames. The same object for the same dialect encoding, so that bytes are shared. */
export function webSocketEncoding(encoding: MessageEncoding): Encoding {
  let result = framed.get(encoding);
  if (result === undefined) {
    result = {
      frameMaker(topic) {
        const makeText = encoding.textMaker(topic);
        return (message) => textFrame(makeText(message));
      },
    };
    framed.set(encoding, result);
  }
  return result;
}
