import type { Backend } from "../../access/keys/backend.js";
import { CarillonError } from "../../errors.js";
import type { ServerStream } from "../../http2/server-stream.js";
import type { StreamReceiver } from "../../http2/stream-receiver.js";
import type { ByteLease } from "../../net/byte-budget.js";
import type { LinkedEntry } from "../../util/linked-list.js";
import type { AnswerLease } from "../answer-budget.js";
import { peerDisconnected } from "../call-errors.js";
import { undecodable } from "../decode.js";
import { toCallerError } from "../faults.js";
import { findPrefix } from "../grpc/message-framer.js";
import type { WatchedRequest } from "../grpc/overdue-requests.js";
import type { AnswerStream, UnreadEntry } from "../grpc/unread-calls.js";
import type { RpcCall } from "../service.js";
import { ANSWER_HEADERS, encodeErrorHeaders, encodeErrorTrailers, OK_HEADERS, OK_TRAILERS } from "./answer-headers.js";
import type { ExpiringCall } from "./call-deadlines.js";
import type { AcceptedHead } from "./call-head.js";
import type { CallPeer } from "./call-peer.js";
import type { ServedMethod } from "./served-method.js";

/** Admitted call: its answer, its deadline and its end. Subclasses read the request. */
export abstract class GrpcHttp2Call implements StreamReceiver, RpcCall, WatchedRequest, AnswerStream, ExpiringCall {
  readonly deadline: number | undefined;
  /** See {@link WatchedRequest}. */
  incompleteSince: number | undefined;
  readonly head: AcceptedHead;
  readonly peer: CallPeer;
  protected readonly stream: ServerStream;
  readonly #backend: Backend | undefined;
  readonly #overdue: LinkedEntry<WatchedRequest>;
  #unread: UnreadEntry | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lease: ByteLease | undefined;
  #controller: AbortController | undefined;
  #reason: unknown;
  #onWritable: (() => void) | undefined;
  #hasResponded = false;
  #isAnswered = false;

  /** @param backend - undefined: the method is open to everyone */
  constructor(stream: ServerStream, head: AcceptedHead, peer: CallPeer, backend: Backend | undefined) {
    const { deadlines, overdue } = peer.host;
    this.stream = stream;
    this.head = head;
    this.peer = peer;
    this.#backend = backend;
    this.#overdue = overdue.add(this);
    this.deadline = head.timeout === undefined ? undefined : Date.now() + head.timeout;
    if (head.timeout !== undefined) deadlines.add(this);
  }

  get backend(): Backend {
    if (this.#backend === undefined) throw new Error(`${this.method.path} has no caller`);
    return this.#backend;
  }

  /** Created on first use, because a publish, by far the most frequent call, does not use it. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  get method(): ServedMethod {
    return this.head.method;
  }

  /** True when nothing more can be sent. */
  get cancelled(): boolean {
    return this.#isAnswered;
  }

  get writableLength(): number {
    return this.stream.pendingBytes;
  }

  get writableEnded(): boolean {
    return this.#isAnswered;
  }

  abstract onData(chunk: Buffer): void;

  abstract onEnd(): void;

  onDrain(): void {
    this.#wake();
  }

  onClose(): void {
    this.stopReading();
    this.#stopTimer();
    if (this.#unread !== undefined) this.peer.host.unread.remove(this.#unread);
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    this.abort(peerDisconnected());
  }

  /** Resets the stream, because its answer is not read. */
  close(code: number): void {
    this.stream.reset(code);
  }

  /** Ends the call with the error to which a thrown value is converted, after the messages already sent. */
  refuse(cause: unknown): void {
    if (!this.#isAnswered) this.#fail(toCallerError(cause, this.peer.host.onFault), false);
  }

  /** Does the same with an error of the method, whose details may name a field of the request. */
  fail(cause: unknown): void {
    if (!this.#isAnswered) this.#fail(toCallerError(cause, this.peer.host.onFault), true);
  }

  /** Stops the method. @param reason - error with which it ends */
  abort(reason: unknown): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.#wake();
  }

  /** Sends a message. @returns false if the next one must wait for {@link untilWritable} */
  send(message: Buffer): boolean {
    if (this.#isAnswered) return true;
    if (!this.#hasResponded) {
      this.#hasResponded = true;
      this.stream.respond(ANSWER_HEADERS);
    }
    const hasLeft = this.stream.send(findPrefix(message.length), message);
    if (!hasLeft) this.#watchAnswer();
    return hasLeft;
  }

  /** See {@link ServerStream.beforeWrite}. */
  beforeWrite(callback: () => void): void {
    this.stream.beforeWrite(callback);
  }

  /** Ends the call with OK. */
  end(): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    if (this.#hasResponded) this.stream.end(OK_TRAILERS);
    else this.stream.respond(OK_HEADERS, true);
    this.#finish();
  }

  /** Resolves when the peer can be written to again, when the call has ended, or when it is aborted. */
  untilWritable(): Promise<void> {
    if (this.stream.pendingBytes === 0 || this.#isAnswered || this.#reason !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onWritable = resolve;
    });
  }

  startTimer(): void {
    if (this.#isAnswered || this.deadline === undefined) return;
    this.#timer = setTimeout(expire, this.deadline - Date.now(), this).unref();
  }

  /** Ends the call because its deadline has passed. */
  expire(): void {
    if (this.#isAnswered) return;
    this.#fail(new CarillonError("deadline_exceeded", "Deadline exceeded"), false);
    this.abort(peerDisconnected());
  }

  /** Lease for the bytes of the request. */
  get lease(): ByteLease {
    this.#lease ??= this.peer.openLease(this.#backend);
    return this.#lease;
  }

  /** Lets the peer send more of the request, after its received bytes were released. */
  widen(bytes: number): void {
    if (bytes > 0) this.stream.widen(bytes);
  }

  /** Aborts the call when the backend loses its permission, or when a node stops that the call only watches. @returns stops that */
  watchGrant(): () => void {
    const { authorizer, watching } = this.peer.host;
    const { action, endsWithNode } = this.method;
    const onLost = (refusal: CarillonError): void => this.abort(refusal);
    if (endsWithNode) watching.add(this);
    const unwatch =
      this.#backend &&
      authorizer.watch({ backend: this.#backend, credentials: this.peer.credentialsOf(this.head), action, onLost });
    return () => {
      watching.remove(this);
      unwatch?.();
    };
  }

  /** Begins to count the answer. @throws CarillonError as {@link CallAuthorizer.openAnswer} does */
  openAnswer(): AnswerLease | undefined {
    if (this.#backend === undefined) return undefined;
    return this.peer.host.authorizer.openAnswer(this.#backend, this.method.action);
  }

  /** @throws CarillonError invalid_argument */
  decode(message: Buffer): object {
    try {
      return this.method.codec.decode(message);
    } catch (cause) {
      throw undecodable(cause);
    }
  }

  /** Ends the reading. Anything that still arrives is discarded. */
  protected stopReading(): void {
    this.incompleteSince = undefined;
    this.peer.host.overdue.remove(this.#overdue);
    this.#lease?.release();
  }

  #fail(error: CarillonError, isOfMethod: boolean): void {
    const type = isOfMethod ? this.method.input : undefined;
    this.#isAnswered = true;
    if (this.#hasResponded) this.stream.end(encodeErrorTrailers(error, type));
    else this.stream.respond(encodeErrorHeaders(error, type), true);
    this.#finish();
  }

  #finish(): void {
    this.stopReading();
    this.#stopTimer();
    this.#wake();
    if (this.stream.pendingBytes > 0) this.#watchAnswer();
  }

  #watchAnswer(): void {
    this.#unread ??= this.peer.host.unread.add(this);
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
  }

  #wake(): void {
    const onWritable = this.#onWritable;
    this.#onWritable = undefined;
    onWritable?.();
  }
}

function expire(call: ExpiringCall & { expire(): void }): void {
  call.expire();
}
