/** Frames of goridge, the protocol of RoadRunner's RPC: a header of 20 bytes, the name of the method, and the body. */

/** Bytes of a header with two options, which RPC always has: the sequence id and the length of the method's name. */
export const HEADER_BYTES = 20;
/** Number of header bytes needed to verify its checksum: the checked bytes and the checksum itself. */
const CHECKED_BYTES = 10;
/** Version 1 in the high nibble, five 32-bit words of header in the low one. */
const FIRST_BYTE = 0x15;

/** Codecs of a body. The flags of a request have exactly one of them. */
export const CODECS = { raw: 0x04, json: 0x08, msgpack: 0x10, gob: 0x20, protobuf: 0x80 } as const;

export type CodecName = keyof typeof CODECS;

const ALL_CODECS = Object.values(CODECS).reduce((all, flag) => all | flag, 0);
const ERROR_FLAG = 0x40;

/** Error for an invalid header. The beginning of the next frame is unknown, so the connection must end. */
export class MalformedFrame extends Error {
  override readonly name = "MalformedFrame";
}

export interface FrameHeader {
  readonly flags: number;
  /** Bytes of the method's name. */
  readonly nameBytes: number;
  /** Bytes of the body. */
  readonly bodyBytes: number;
  readonly sequence: number;
  /** 0 in requests. Other values mark pings and pongs, which RPC does not use. */
  readonly stream: number;
}

/** @param bytes - at least HEADER_BYTES of them; @throws MalformedFrame */
export function readHeader(bytes: Buffer): FrameHeader {
  if (bytes[0] !== FIRST_BYTE) throw new MalformedFrame("expected a header of version 1 with two options");
  if (!hasGoodChecksum(bytes)) throw new MalformedFrame("the header's checksum is wrong");
  const payloadBytes = bytes.readUInt32LE(2);
  const nameBytes = bytes.readUInt32LE(16);
  if (nameBytes > payloadBytes) throw new MalformedFrame("the method name is longer than the payload");
  return {
    flags: bytes.readUInt8(1),
    nameBytes,
    bodyBytes: payloadBytes - nameBytes,
    sequence: bytes.readUInt32LE(12),
    stream: bytes.readUInt8(10),
  };
}

/** Finds the codec in a request's flags; undefined if they are anything other than exactly one codec. */
export function findCodec(flags: number): CodecName | undefined {
  const [name] = Object.entries(CODECS).find(([, flag]) => flag === flags) ?? [];
  return name as CodecName | undefined;
}

export interface AnswerFrame {
  /** Flags of the request. */
  readonly flags: number;
  readonly sequence: number;
  readonly method: Uint8Array;
  readonly body: Uint8Array;
}

export function encodeAnswer({ body, flags, method, sequence }: AnswerFrame): Buffer {
  return encodeFrame(flags, sequence, method, body);
}

/** Encodes an error. PHP uses its text as the message of an exception. */
export function encodeError({ flags, method, sequence }: Omit<AnswerFrame, "body">, text: string): Buffer {
  return encodeFrame((flags & ALL_CODECS) | ERROR_FLAG, sequence, method, Buffer.from(text));
}

/**
 * Returns whether a connection begins with a goridge request. More than the first byte is checked, because TLS alerts begin
 * with the same one.
 */
export function looksLikeFrame(bytes: Uint8Array): boolean {
  if (bytes[0] !== FIRST_BYTE) return false;
  if (bytes.length >= CHECKED_BYTES) return hasGoodChecksum(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  return bytes.length > 1 && findCodec(bytes[1] ?? 0) !== undefined;
}

function encodeFrame(flags: number, sequence: number, method: Uint8Array, body: Uint8Array): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + method.length + body.length);
  bytes.writeUInt8(FIRST_BYTE, 0);
  bytes.writeUInt8(flags, 1);
  bytes.writeUInt32LE(method.length + body.length, 2);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 6)), 6);
  bytes.writeUInt32LE(sequence, 12);
  bytes.writeUInt32LE(method.length, 16);
  bytes.set(method, HEADER_BYTES);
  bytes.set(body, HEADER_BYTES + method.length);
  return bytes;
}

function hasGoodChecksum(bytes: Buffer): boolean {
  return crc32(bytes.subarray(0, 6)) === bytes.readUInt32LE(6);
}

/** Computes CRC-32 as zlib does. Not every Node 20 has zlib.crc32. It works bit by bit, because only six bytes are checked. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
