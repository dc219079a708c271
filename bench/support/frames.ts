const PONG = 0x8a;
const CLOSE = 0x88;
const TEXT = 0x81;

/** Creates a client's text frame. */
export function maskedText(text: string): Buffer {
  return masked(TEXT, Buffer.from(text));
}

export function maskedPong(payload: Uint8Array): Buffer {
  return masked(PONG, payload);
}

export function maskedClose(): Buffer {
  return masked(CLOSE, Buffer.alloc(0));
}

/** Creates a frame with an all-zero mask, which is legal and needs no computation. */
function masked(first: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  if (length > 65_535) throw new Error(`frame too large: ${length} bytes, the limit of a load is 65535`);
  const header = length < 126 ? [first, 0x80 | length] : [first, 0x80 | 126, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([...header, 0, 0, 0, 0]), payload]);
}

/** Creates a server's text frame. */
export function plainText(text: string): Buffer {
  const payload = Buffer.from(text);
  const { length } = payload;
  const header = length < 126 ? [TEXT, length] : [TEXT, 126, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(header), payload]);
}
