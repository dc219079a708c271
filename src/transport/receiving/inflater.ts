import { constants, inflateRawSync } from "node:zlib";
import type { ByteLease } from "../../net/byte-budget.js";
import { errorCode } from "../../util/native-error.js";
import { compact, PIECE_COST } from "./receiver-parts.js";

/** Cost of a message in addition to its inflated size, in bytes. Each message needs a new zlib stream. */
export const MESSAGE_COST = 4 << 10;
/** Maximum number of bytes that one compressed byte inflates to. Source: zlib's technical details. */
const MAX_RATIO = 1_032;

/** Bytes that a peer omits at the end of each message. Source: RFC 7692 §7.2.2. */
const TRAILER = Buffer.from([0x00, 0x00, 0xff, 0xff]);
const EMPTY = Buffer.alloc(0);
/** Replaces a message that cannot be inflated. It is not UTF-8, so the connection closes with 1007. */
const BROKEN = Buffer.from([0xff]);

/** Callback of the WebSocket library's extensions. It must be called once, asynchronously. */
type OnInflated = (error: Error | null, data: Buffer) => void;

interface Job {
  readonly data: Buffer;
  readonly onInflated: OnInflated;
  /** Inflated size, in bytes, if an attempt that exceeded the budget has found it; otherwise 0. */
  size: number;
}

interface InflaterOptions {
  readonly lease: ByteLease;
  readonly most: number;
  readonly onWaiting: (inflater: Inflater) => void;
  readonly onIdle: (inflater: Inflater) => void;
  readonly onClosed: () => void;
}

/** Inflates the messages of one connection, one at a time. The library waits for each. */
export class Inflater {
  /** Accumulated cost of the connection, on the scale of its address. */
  cost = 0;
  /** Largest possible cost of the waiting message. */
  estimate = 0;
  readonly #options: InflaterOptions;
  #pieces: Buffer[] = [];
  /** Bytes of the pieces, including their cost. */
  #piecesBytes = 0;
  #job: Job | undefined;
  #state: "open" | "discarding" | "closed" = "open";

  constructor(options: InflaterOptions) {
    this.#options = options;
  }

  /** Takes the payload of a frame, like the library's extension. @param final - whether it ends the message */
  readonly inflate = (payload: Buffer, final: boolean, onInflated: OnInflated): void => {
    if (this.#state !== "open") {
      this.#drop(onInflated);
      return;
    }
    this.#pieces.push(final ? payload : compact(payload));
    this.#piecesBytes += payload.length + PIECE_COST;
    if (!final) {
      process.nextTick(onInflated, null, EMPTY);
      return;
    }
    const compressed = this.#pieces.reduce((sum, { length }) => sum + length, 0);
    this.#piecesBytes = 0;
    this.estimate = MESSAGE_COST + Math.min(this.#options.most, compressed * MAX_RATIO);
    this.#job = { data: Buffer.concat([...this.#pieces, TRAILER]), onInflated, size: 0 };
    this.#pieces = [];
    this.#options.onWaiting(this);
  };

  /** Whether a complete message waits to be inflated. */
  get waiting(): boolean {
    return this.#job !== undefined;
  }

  /** Number of compressed bytes held, including the cost of their pieces. */
  get held(): number {
    return this.#piecesBytes + (this.#job?.data.length ?? 0);
  }

  /** @returns undefined when the inflated message exceeds the budget; the message keeps waiting */
  inflateNext(): { readonly data: Buffer; readonly deliver: () => void } | undefined {
    const job = this.#job;
    const { lease, most, onIdle } = this.#options;
    // A message that exceeded the budget is not inflated again before it fits.
    if (job === undefined || !lease.retryTake(job.size)) return undefined;
    const data = inflateMessage(job.data, most);
    if (job.size === 0 && !lease.tryTake(data.length)) {
      job.size = data.length;
      return undefined;
    }
    this.#job = undefined;
    onIdle(this);
    return {
      data,
      deliver: () => {
        job.onInflated(null, data);
      },
    };
  }

  /** Releases the bytes of a message that has been handled. */
  settle(): void {
    const { lease } = this.#options;
    lease.give(lease.bytes);
  }

  /** Inflates further messages to nothing, because the connection is closing. */
  discard(): void {
    if (this.#state === "open") this.#end("discarding");
  }

  /** Drops the messages of a closed connection and releases its lease. */
  close(): void {
    if (this.#state === "closed") return;
    this.#end("closed");
    this.#options.lease.release();
    this.#options.onClosed();
  }

  #end(state: "discarding" | "closed"): void {
    this.#state = state;
    this.#pieces = [];
    this.#piecesBytes = 0;
    const job = this.#job;
    if (job === undefined) return;
    this.#job = undefined;
    this.#options.onIdle(this);
    this.#drop(job.onInflated);
  }

  #drop(onInflated: OnInflated): void {
    process.nextTick(onInflated, this.#state === "closed" ? new Error("the connection has ended") : null, EMPTY);
  }
}

/** @returns more than `most` bytes when the message is larger; the library then closes the connection with 1009 */
function inflateMessage(data: Buffer, most: number): Buffer {
  try {
    return inflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: most });
  } catch (cause) {
    const isTooLarge = errorCode(cause) === "ERR_BUFFER_TOO_LARGE";
    return isTooLarge ? Buffer.allocUnsafeSlow(most + 1) : BROKEN;
  }
}
