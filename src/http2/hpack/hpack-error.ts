/** A header block is malformed. The connection ends with COMPRESSION_ERROR: RFC 9113, section 4.3. */
export class HpackError extends Error {
  override readonly name = "HpackError";
}
