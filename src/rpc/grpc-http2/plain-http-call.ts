import type { ServerStream } from "../../http2/server-stream.js";
import type { StreamReceiver } from "../../http2/stream-receiver.js";
import type { LinkedEntry } from "../../util/linked-list.js";
import type { OverdueRequests, WatchedRequest } from "../grpc/overdue-requests.js";

/**
 * Refusal of a request that is not gRPC. The answer follows the request, which is discarded, because clients of plain HTTP may
 * not read an answer before they have sent everything.
 */
export class PlainHttpCall implements StreamReceiver, WatchedRequest {
  readonly incompleteSince = performance.now();
  readonly #stream: ServerStream;
  readonly #answer: Buffer;
  readonly #body: Buffer;
  readonly #overdue: OverdueRequests;
  readonly #entry: LinkedEntry<WatchedRequest>;

  /** @param answer - encoded headers of the answer */
  constructor(stream: ServerStream, answer: Buffer, body: Buffer, overdue: OverdueRequests) {
    this.#stream = stream;
    this.#answer = answer;
    this.#body = body;
    this.#overdue = overdue;
    this.#entry = overdue.add(this);
  }

  onData(chunk: Buffer): void {
    this.#stream.consume(chunk.length);
  }

  onEnd(): void {
    this.refuse();
  }

  onDrain(): void {
    // The body is sent as a whole.
  }

  onClose(): void {
    this.#overdue.remove(this.#entry);
  }

  /** Answers. */
  refuse(): void {
    this.#stream.respond(this.#answer);
    this.#stream.send(this.#body);
    this.#stream.end();
  }
}
