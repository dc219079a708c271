import { PREFIX_BYTES } from "../grpc/message-framer.js";

/** Length below which prefixes are kept. */
const MAX_KEPT = 512;

const kept: Buffer[] = [];

/** Returns the prefix of an uncompressed message. It must not be changed. @param length - of the message, in bytes */
export function findPrefix(length: number): Buffer {
  if (length >= MAX_KEPT) return createPrefix(length);
  let prefix = kept[length];
  if (prefix === undefined) {
    prefix = createPrefix(length);
    kept[length] = prefix;
  }
  return prefix;
}

function createPrefix(length: number): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(length, 1);
  return prefix;
}
