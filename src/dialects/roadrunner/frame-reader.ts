import { type FrameHeader, HEADER_BYTES, MalformedFrame, readHeader } from "./frame.js";

/** Longest name of a method, in bytes. */
const MAX_NAME = 255;

/** Request of an application. */
export interface RequestFrame {
  readonly flags: number;
  readonly sequence: number;
  /** Bytes of the method's name. */
  readonly method: Buffer;
  /** Undefined if it was discarded. */
  readonly body: Buffer | undefined;
  /** Reason to refuse the request without reading its body. */
  readonly refusal: string | undefined;
}

export interface FrameReaderOptions {
  /** Largest body, in bytes. */
  readonly bodyBytes: number;
  /** Reserves budget for received bytes. @returns the reason for a refusal; undefined for success */
  readonly takeRoom: (bytes: number) => string | undefined;
  readonly onRequest: (request: RequestFrame) => void;
}

/**
 * Splits received bytes into requests. A request with too large a body is refused when its header arrives, and its body is
 * skipped.
 */
export class FrameReader {
  readonly #options: FrameReaderOptions;
  readonly #head = Buffer.alloc(HEADER_BYTES + MAX_NAME);
  #headBytes = 0;
  #header: FrameHeader | undefined;
  /** Chunks of the incomplete body; undefined while it is discarded. */
  #chunks: Buffer[] | undefined;
  #bodyBytes = 0;

  constructor(options: FrameReaderOptions) {
    this.#options = options;
  }

  /** Whether a frame is incomplete. */
  get waiting(): boolean {
    return this.#headBytes > 0;
  }

  /** @throws MalformedFrame: the connection cannot be read any further */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      const header = this.#header;
      const length = HEADER_BYTES + (header?.nameBytes ?? 0);
      if (this.#headBytes < length) {
        at += this.#fillHead(chunk, at, length);
      } else {
        at += this.#fillBody(chunk, at, header?.bodyBytes ?? 0);
      }
      this.#advance();
    }
  }

  #fillHead(chunk: Buffer, at: number, length: number): number {
    const copied = chunk.copy(this.#head, this.#headBytes, at, at + length - this.#headBytes);
    this.#headBytes += copied;
    return copied;
  }

  #fillBody(chunk: Buffer, at: number, length: number): number {
    const part = chunk.subarray(at, at + length - this.#bodyBytes);
    this.#bodyBytes += part.length;
    if (this.#chunks === undefined) return part.length;
    const refusal = this.#options.takeRoom(part.length);
    if (refusal === undefined) this.#chunks.push(part);
    else this.#refuse(refusal);
    return part.length;
  }

  /** Reads the parts of a frame as they become complete. */
  #advance(): void {
    if (this.#header === undefined) {
      if (this.#headBytes < HEADER_BYTES) return;
      const header = readHeader(this.#head);
      if (header.nameBytes > MAX_NAME) throw new MalformedFrame("the method name is too long");
      this.#header = header;
    }
    const { bodyBytes, nameBytes } = this.#header;
    if (this.#headBytes < HEADER_BYTES + nameBytes) return;
    if (this.#bodyBytes === 0) this.#beginBody(this.#header);
    if (this.#bodyBytes < bodyBytes) return;
    if (this.#chunks !== undefined) this.#emit(joined(this.#chunks), undefined);
    this.#header = undefined;
    this.#chunks = undefined;
    this.#headBytes = 0;
    this.#bodyBytes = 0;
  }

  #beginBody({ bodyBytes, stream }: FrameHeader): void {
    const limit = this.#options.bodyBytes;
    this.#chunks = [];
    if (stream !== 0) this.#refuse("streams are not supported");
    else if (bodyBytes > limit) this.#refuse(`the request is larger than ${limit} bytes`);
  }

  #refuse(refusal: string): void {
    this.#chunks = undefined;
    this.#emit(undefined, refusal);
  }

  #emit(body: Buffer | undefined, refusal: string | undefined): void {
    const { flags = 0, nameBytes = 0, sequence = 0 } = this.#header ?? {};
    const method = Buffer.from(this.#head.subarray(HEADER_BYTES, HEADER_BYTES + nameBytes));
    this.#options.onRequest({ flags, sequence, method, body, refusal });
  }
}

function joined(chunks: readonly Buffer[]): Buffer {
  const [first] = chunks;
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks);
}
