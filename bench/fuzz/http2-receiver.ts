import { encodeHeaders } from "../../src/http2/hpack/encode-headers.js";
import type { ServerStream } from "../../src/http2/server-stream.js";
import type { StreamReceiver } from "../../src/http2/stream-receiver.js";

const HEADERS = encodeHeaders([
  { name: ":status", value: "200" },
  { name: "content-type", value: "application/grpc" },
]);
const TRAILERS = encodeHeaders([{ name: "grpc-status", value: "0" }]);

const PREFIX = Buffer.alloc(5, "p");
const SMALL = Buffer.alloc(20, "s");
const LARGE = Buffer.alloc(60_000, "l");

/** Counts of one run. */
export interface SessionTotals {
  begun: number;
  closed: number;
  /** Bytes of bodies that receivers have passed on. */
  sent: number;
}

/** Handler of requests whose behaviour depends on the stream's number. */
export class FuzzedReceiver implements StreamReceiver {
  readonly #stream: ServerStream;
  readonly #behaviour: number;
  readonly #totals: SessionTotals;
  #hasResponded = false;
  #hasEnded = false;
  #isClosed = false;

  /** @param waits - whether some answers wait until the connection writes */
  constructor(stream: ServerStream, totals: SessionTotals, waits: boolean) {
    this.#stream = stream;
    this.#behaviour = (stream.id >> 1) % (waits ? 7 : 6);
    this.#totals = totals;
    // Answers before the request is complete.
    if (this.#behaviour === 1) this.#answer(SMALL);
  }

  onData(chunk: Buffer): void {
    this.#expectOpen("data");
    if (chunk.length === 0) throw new Error("empty data");
    // The other streams keep their bytes until they end.
    if (this.#behaviour !== 3) this.#stream.consume(chunk.length);
    if (this.#behaviour === 4) this.#stream.reset(8);
    // Answers while the request arrives.
    if (this.#behaviour === 5) this.#send(chunk);
  }

  onEnd(): void {
    this.#expectOpen("end");
    if (this.#hasEnded) throw new Error("the second end");
    this.#hasEnded = true;
    if (this.#behaviour !== 6) this.#answer(this.#behaviour === 2 ? LARGE : SMALL);
    else {
      this.#stream.beforeWrite(() => {
        if (!this.#isClosed) this.#answer(SMALL);
      });
    }
  }

  onDrain(): void {
    this.#expectOpen("drain");
  }

  onClose(): void {
    this.#expectOpen("close");
    this.#isClosed = true;
    this.#totals.closed += 1;
  }

  #answer(body: Buffer): void {
    this.#send(body);
    this.#stream.end(TRAILERS);
  }

  #send(body: Buffer): void {
    if (!this.#hasResponded) this.#stream.respond(HEADERS);
    this.#hasResponded = true;
    // A chunk is a view of the bytes received.
    this.#stream.send(PREFIX, Buffer.from(body));
    this.#totals.sent += PREFIX.length + body.length;
  }

  #expectOpen(event: string): void {
    if (this.#isClosed) throw new Error(`${event} after close`);
  }
}
