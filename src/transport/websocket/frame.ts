/** FIN and the text opcode; RSV1 marks a compressed payload. Source: RFC 6455 §5.2, RFC 7692 §6. */
const FINAL_TEXT = 0x81;
const COMPRESSED = 0x40;

/** Creates a server's text frame, header and payload in one buffer; unmasked, like all frames of a server. */
export function createTextFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = headerLength(length);
  const frame = Buffer.allocUnsafe(header + length);
  writeHeader(frame, FINAL_TEXT, header, length);
  frame.write(text, header, "utf8");
  return frame;
}

/**
 * Creates the first part of a text frame.
 * @param length - length of the payload, in bytes
 * @param included - number of payload bytes in this buffer; the others follow in further buffers
 * @param write - writes the included bytes to the buffer from `begin` on
 */
export function createFrameHead(
  length: number,
  included: number,
  write: (frame: Buffer, begin: number) => void,
): Buffer {
  const header = headerLength(length);
  const frame = Buffer.allocUnsafe(header + included);
  writeHeader(frame, FINAL_TEXT, header, length);
  write(frame, header);
  return frame;
}

/** Creates a text frame with a compressed payload. */
export function createCompressedTextFrame(compressed: Uint8Array): Buffer {
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
