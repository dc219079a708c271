import { Http2Code } from "../http2-codes.js";
import { Http2ConnectionError } from "../http2-errors.js";

/** First bytes of each client. Source: RFC 9113, section 3.4. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** Checks the first bytes of a client, which may arrive in pieces. */
export class ClientPreface {
  /** Number of bytes that have arrived. */
  #bytes = 0;

  /**
   * @param bytes - that follow those passed before
   * @returns the bytes behind the preface
   * @throws Http2ConnectionError: the client does not speak HTTP/2
   */
  skip(bytes: Buffer): Buffer {
    if (this.#bytes === PREFACE.length) return bytes;
    const count = Math.min(PREFACE.length - this.#bytes, bytes.length);
    if (bytes.compare(PREFACE, this.#bytes, this.#bytes + count, 0, count) !== 0) {
      throw new Http2ConnectionError(Http2Code.PROTOCOL_ERROR, "not HTTP/2");
    }
    this.#bytes += count;
    return bytes.subarray(count);
  }
}
