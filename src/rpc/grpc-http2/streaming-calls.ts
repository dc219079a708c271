import type { Backend } from "../../access/keys/backend.js";
import type { ServerStream } from "../../http2/server-stream.js";
import { peerDisconnected } from "../call-errors.js";
import type { AcceptedHead } from "./call-head.js";
import type { CallPeer } from "./call-peer.js";
import { GrpcHttp2Call } from "./grpc-http2-call.js";
import { RequestQueue } from "./request-queue.js";
import { SingleRequestCall } from "./single-request-call.js";
import { streamAnswers } from "./stream-answers.js";

/** Call with a stream of requests. */
export class RequestStreamCall extends GrpcHttp2Call {
  readonly #requests: RequestQueue;

  constructor(stream: ServerStream, head: AcceptedHead, peer: CallPeer, backend: Backend | undefined) {
    super(stream, head, peer, backend);
    this.#requests = new RequestQueue(this);
    streamAnswers(this, () => this.#requests);
  }

  onData(chunk: Buffer): void {
    this.stream.release(chunk.length);
    try {
      this.#requests.push(chunk);
    } catch (cause) {
      this.refuse(cause);
    }
  }

  onEnd(): void {
    this.#requests.finish();
  }

  /** Lets the method end the call with an error, after its answers to earlier requests. */
  override refuse(cause: unknown): void {
    this.abort(cause);
  }

  override abort(reason: unknown): void {
    super.abort(reason);
    this.#requests.fail(reason);
  }

  protected override stopReading(): void {
    super.stopReading();
    this.#requests.fail(peerDisconnected());
  }
}

/** Call with one request and a stream of answers. */
export class ServerStreamCall extends SingleRequestCall {
  protected handle(message: Buffer): void {
    streamAnswers(this, () => this.decode(message));
  }
}
