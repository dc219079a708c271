import type { Backend } from "../../access/keys/backend.js";
import type { ServerStream } from "../../http2/server-stream.js";
import { malformedRequest } from "../call-errors.js";
import { findWholeMessage, inflateMessage, MessageFramer, PREFIX_BYTES } from "../grpc/message-framer.js";
import type { InflatedEncoding } from "../inflate.js";
import type { AcceptedHead } from "./call-head.js";
import type { CallPeer } from "./call-peer.js";
import { GrpcHttp2Call } from "./grpc-http2-call.js";
import { joinChunks, keepChunk } from "./join-chunks.js";

/** Call whose request is exactly one message. */
export abstract class SingleRequestCall extends GrpcHttp2Call {
  /** Undefined while the request consists of at most one chunk, with one whole message. */
  #framer: MessageFramer | undefined;
  #message: Buffer | undefined;
  #isInflating = false;

  constructor(stream: ServerStream, head: AcceptedHead, peer: CallPeer, backend: Backend | undefined) {
    super(stream, head, peer, backend);
    this.incompleteSince = performance.now();
  }

  onData(chunk: Buffer): void {
    this.stream.consume(chunk.length);
    if (this.cancelled) return;
    try {
      if (this.#framer === undefined && this.#message === undefined && this.#isWholeMessage(chunk)) {
        // A complete request is handled in this turn.
        if (!this.stream.isLastPiece) this.lease.take(chunk.length - PREFIX_BYTES);
        // Decoded messages refer to their bytes, and the chunk may be a small part of a large buffer.
        this.#message = Buffer.allocUnsafe(chunk.length - PREFIX_BYTES);
        chunk.copy(this.#message, 0, PREFIX_BYTES);
        return;
      }
      this.lease.take(chunk.length);
      if (this.#message !== undefined && this.#framer === undefined) throw malformedRequest("more than one message");
      this.#framer ??= new MessageFramer(this.method, this.head.encoding);
      this.#framer.push(keepChunk(chunk));
      this.#read(this.#framer);
    } catch (cause) {
      this.refuse(cause);
    }
  }

  onEnd(): void {
    if (this.cancelled) return;
    try {
      if (this.#framer !== undefined) {
        this.#framer.finish();
        this.#read(this.#framer);
      } else if (this.#message === undefined) {
        throw malformedRequest("no message");
      } else {
        this.#complete(this.#message);
      }
    } catch (cause) {
      this.refuse(cause);
    }
  }

  /** Handles the complete request. Never throws. */
  protected abstract handle(message: Buffer): void;

  /** Returns whether a chunk is exactly one uncompressed message. */
  #isWholeMessage(chunk: Buffer): boolean {
    return findWholeMessage(chunk, 0, this.method.limit) === chunk.length;
  }

  /** @throws CarillonError */
  #read(framer: MessageFramer): void {
    while (!this.#isInflating) {
      const next = framer.next();
      if (next === "short") return;
      if (next === "end") {
        if (this.#message !== undefined) this.#complete(this.#message);
        return;
      }
      const { chunks, encoding, length } = next;
      if (encoding === undefined) {
        this.lease.give(PREFIX_BYTES);
        this.#message = joinChunks(chunks);
      } else {
        this.#isInflating = true;
        this.#inflate(framer, encoding, chunks, length).catch((cause: unknown) => {
          this.refuse(cause);
        });
      }
    }
  }

  async #inflate(
    framer: MessageFramer,
    encoding: InflatedEncoding,
    chunks: readonly Buffer[],
    length: number,
  ): Promise<void> {
    const { lease } = this;
    const message = await inflateMessage(encoding, chunks, { limit: this.method.limit, lease });
    if (this.cancelled) return;
    lease.give(PREFIX_BYTES + length);
    this.#message = message;
    this.#isInflating = false;
    this.#read(framer);
  }

  #complete(message: Buffer): void {
    this.stopReading();
    this.handle(message);
  }
}
