import { isUtf8 } from "node:buffer";

/** Decodes UTF-8. Protobuf requires that invalid UTF-8 is rejected, not replaced. @throws Error */
export function strictUtf8(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new Error("invalid UTF-8 in a string");
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer.toString("utf8");
}
