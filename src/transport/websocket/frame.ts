/** FIN and the text opcode; RSV1 says that the payload is compressed. Source: RFC 6455 §5.2, RFC 7692 §6. */
const FINAL_TEXT = 0x81;
const COMPRESSED = 0x40;

/** A server's text frame, header and payload in one buffer; unmasked, as all that a server sends. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = headerLength(length);
  const frame = Buffer.allocUnsafe(header + length);
  writeHeader(frame, FINAL_TEXT, header, length);
  frame.write(text, header, "utf8");
  return frame;
}

/**
 * The beginning of such a frame, where somebody else writes the payload, from the place that it is told.
 * @param length - of the payload, in bytes
 * @param here - how much of it is in this buffer; what is missing follows in others
 */
export function textFrameOf(length: number, here: number, write: (frame: Buffer, begin: number) => void): Buffer {
  const header = headerLength(length);
  const frame = Buffer.allocUnsafe(header + here);
  writeHeader(frame, FINAL_TEXT, header, length);
  write(frame, header);
  return frame;
}

/** The same for a text that has been compressed. */
export function compressedTextFrame(compressed: Uint8Array): Buffer {
  const { length } = compressed;
  const header = headerLength(length);
  const frame = Buffer.allocUnsafe(header + length);
  writeHeader(frame, FINAL_TEXT | COMPRESSED, header, length);
  frame.set(compressed, header);
  return frame;
}

function headerLength(length: number): number {
  if (length < 126) return 2;
  return length < 65_536 ? 4 : 10;
}

function writeHeader(frame: Buffer, first: number, header: number, length: number): void {
  frame[0] = first;
  if (header === 2) {
    frame[1] = length;
  } else if (header === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
}
