import type { Socket } from "node:net";
import { CarillonError } from "../../errors.js";
import type { ByteBudget, ByteLease } from "../../net/byte-budget.js";
import { normalizeIpAddress } from "../../net/ip-address.js";
import { ignore } from "../../util/ignore.js";
import { StartOrder } from "../../util/start-order.js";
import { type CodecName, encodeAnswer, encodeError, findCodec, MalformedFrame } from "./frame.js";
import { FrameReader, type RequestFrame } from "./frame-reader.js";
import { findMethod, type MethodContext } from "./methods.js";

/**
 * Maximum number and size of unanswered requests of one connection, as for a stream (rule R4). Beyond it the connection is
 * not read. PHP sends one request at a time; other clients may send several.
 */
const WINDOW = { requests: 256, bytes: 8 * 1_024 * 1_024 } as const;

export interface RoadRunnerContext extends Omit<MethodContext, "order"> {
  /** Largest request, in bytes. */
  readonly requestBytes: number;
  readonly budget: ByteBudget;
  /** Receives errors that are faults of this server, not refusals. */
  readonly onFault: (cause: unknown) => void;
}

/** Connection of an application. Requests are answered in the order in which they complete. */
export class RoadRunnerConnection {
  readonly #socket: Socket;
  readonly #context: RoadRunnerContext;
  readonly #methods: MethodContext;
  readonly #reader: FrameReader;
  readonly #lease: ByteLease;
  readonly #onArrived: () => void;
  #unanswered = { requests: 0, bytes: 0 };
  #closing = false;
  #progress = 0;

  /** @param onRequest - called for each request */
  constructor(socket: Socket, context: RoadRunnerContext, onRequest: () => void) {
    this.#onArrived = onRequest;
    this.#socket = socket;
    this.#context = context;
    this.#methods = { ...context, order: new StartOrder() };
    // Access to the port replaces a key, so these callers have a share of the budget of their own. Anonymous callers cannot
    // exhaust it.
    const key = `roadrunner ${context.source.vhost}`;
    this.#lease = context.budget.open({ address: normalizeIpAddress(socket.remoteAddress ?? "") ?? "", key });
    this.#reader = new FrameReader({
      bodyBytes: context.requestBytes,
      takeRoom: this.#takeRoom,
      onRequest: this.#onRequest,
    });
    socket.on("data", this.#onData);
    socket.on("drain", this.#onDrain);
    // The close event follows.
    socket.on("error", ignore);
    // The peer may still read the answers to its requests.
    socket.once("end", () => this.close());
    socket.once("close", () => {
      this.#closing = true;
      this.#lease.release();
    });
  }

  /**
   * Number of received requests, plus the number of times that pending answers were delivered. A peer that makes progress is
   * not stalled.
   */
  get progress(): number {
    return this.#progress;
  }

  /** Whether the peer has sent an incomplete frame, or does not read its answers. */
  get stalled(): boolean {
    return this.#reader.waiting || this.#socket.writableNeedDrain;
  }

  /** Stops reading, and ends the connection when the pending requests are answered. */
  close(): void {
    this.#closing = true;
    this.#pauseOrResume();
    if (this.#unanswered.requests === 0) this.#end();
  }

  terminate(): void {
    this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#closing) return;
    try {
      this.#reader.push(chunk);
    } catch (cause) {
      if (!(cause instanceof MalformedFrame)) this.#context.onFault(cause);
      this.#socket.destroy();
    }
    this.#pauseOrResume();
  };

  readonly #onDrain = (): void => {
    this.#progress += 1;
    this.#pauseOrResume();
  };

  readonly #takeRoom = (bytes: number): string | undefined => {
    try {
      this.#lease.take(bytes);
      return undefined;
    } catch (cause) {
      this.#giveRoom();
      return CarillonError.from(cause).message;
    }
  };

  readonly #onRequest = (request: RequestFrame): void => {
    const bytes = request.body?.length ?? 0;
    this.#progress += 1;
    this.#onArrived();
    this.#unanswered.requests += 1;
    this.#unanswered.bytes += bytes;
    // From here on, other limits bound the request.
    this.#giveRoom();
    void this.#answer(request).then((frame) => {
      this.#unanswered.requests -= 1;
      this.#unanswered.bytes -= bytes;
      if (!this.#socket.writable) return;
      this.#socket.write(frame);
      if (this.#closing && this.#unanswered.requests === 0) this.#end();
      else this.#pauseOrResume();
    });
  };

  async #answer(request: RequestFrame): Promise<Buffer> {
    const { body, flags, method, refusal, sequence } = request;
    try {
      const { codec, run } = findMethod(method.toString());
      if (refusal !== undefined || body === undefined) throw new CarillonError("resource_exhausted", refusal ?? "");
      checkCodec(method.toString(), flags, codec);
      return encodeAnswer({ flags, sequence, method, body: await run(body, this.#methods) });
    } catch (cause) {
      const { code, message } = CarillonError.from(cause);
      if (code === "internal") this.#context.onFault(cause);
      return encodeError({ flags, sequence, method }, message);
    }
  }

  /** Ends the connection after the last answer. It does not wait for the peer, because PHP never closes its side. */
  #end(): void {
    this.#socket.destroySoon();
  }

  #giveRoom(): void {
    this.#lease.give(this.#lease.bytes);
  }

  /** Pauses reading while too many requests are unanswered or answers are not read. */
  #pauseOrResume(): void {
    const { bytes, requests } = this.#unanswered;
    const full = requests >= WINDOW.requests || bytes >= WINDOW.bytes || this.#socket.writableNeedDrain;
    if (full && !this.#closing) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }
}

/** @throws CarillonError invalid_argument */
function checkCodec(method: string, flags: number, expected: CodecName): void {
  const codec = findCodec(flags);
  if (codec === expected) return;
  const actual = codec ?? `flags 0x${flags.toString(16).padStart(2, "0")}`;
  throw new CarillonError("invalid_argument", `${method} requires ${expected}, got ${actual}`);
}
