import { constants, inflateRawSync } from "node:zlib";
import type { ByteLease } from "../../net/byte-budget.js";
import { errorCode } from "../../util/native-error.js";
import { compact, PIECE_COST } from "./receiver-parts.js";

/** Cost of a message besides its inflated size, in bytes: zlib is set up anew for each. */
export const MESSAGE_COST = 4 << 10;
/** Most bytes that one compressed byte becomes. Source: zlib's technical details. */
const MOST_RATIO = 1_032;

/** Bytes that a peer leaves out at the end of each message. Source: RFC 7692 §7.2.2. */
const TRAILER = Buffer.from([0x00, 0x00, 0xff, 0xff]);
const NOTHING = Buffer.alloc(0);
/** Stands for a message that cannot be inflated: it is not UTF-8, so that the connection is closed with 1007. */
const BROKEN = Buffer.from([0xff]);

/** As the WebSocket library calls an extension's inflating back: in a later turn, once. */
type OnInflated = (error: Error | null, data: Buffer) => void;

interface Job {
  readonly data: Buffer;
  readonly onInflated: OnInflated;
  /** Bytes that it becomes, where that is known from an attempt that the budget had no room for. */
  size: number;
}

interface InflaterOptions {
  readonly lease: ByteLease;
  readonly most: number;
  readonly onWaiting: (inflater: Inflater) => void;
  readonly onIdle: (inflater: Inflater) => void;
  readonly onClosed: () => void;
}

/** Inflates the messages of one connection, one at a time: the library waits for each. */
export class Inflater {
  /** Cost of the connection so far, on the scale of its address. */
  cost = 0;
  /** Highest possible cost of the message that waits. */
  estimate = 0;
  readonly #options: InflaterOptions;
  #pieces: Buffer[] = [];
  /** Bytes of the pieces, and their cost. */
  #piecesBytes = 0;
  #job: Job | undefined;
  #state: "open" | "discarding" | "closed" = "open";

  constructor(options: InflaterOptions) {
    this.#options = options;
  }

  /** Takes a frame's payload, as the library's extension does. @param final - whether the message ends with it */
  readonly inflate = (payload: Buffer, final: boolean, onInflated: OnInflated): void => {
    if (this.#state !== "open") {
      this.#drop(onInflated);
      return;
    }
    this.#pieces.push(final ? payload : compact(payload));
    this.#piecesBytes += payload.length + PIECE_COST;
    if (!final) {
      process.nextTick(onInflated, null, NOTHING);
      return;
    }
    const compressed = this.#pieces.reduce((sum, { length }) => sum + length, 0);
    this.#piecesBytes = 0;
    this.estimate = MESSAGE_COST + Math.min(this.#options.most, compressed * MOST_RATIO);
    this.#job = { data: Buffer.concat([...this.#pieces, TRAILER]), onInflated, size: 0 };
    this.#pieces = [];
    this.#options.onWaiting(this);
  };

  /** Whether a complete message waits to be inflated. */
  get waiting(): boolean {
    return this.#job !== undefined;
  }

  /** Compressed bytes that it holds, and the cost of their pieces. */
  get held(): number {
    return this.#piecesBytes + (this.#job?.data.length ?? 0);
  }

  /** @returns undefined where the budget has no room for what the message becomes: it waits on */
  inflateNext(): { readonly data: Buffer; readonly deliver: () => void } | undefined {
    const job = this.#job;
    const { lease, most, onIdle } = this.#options;
    // Not inflated again before there is room.
    if (job === undefined || !lease.retryTake(job.size)) return undefined;
    const data = inflated(job.data, most);
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

  /** Gives back what was taken for a message, once it has been handled. */
  settle(): void {
    const { lease } = this.#options;
    lease.give(lease.bytes);
  }

  /** The connection's messages count no more: those that come become nothing. */
  discard(): void {
    if (this.#state === "open") this.#end("discarding");
  }

  /** The connection is gone, and what was read of it is dropped. */
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
    process.nextTick(onInflated, this.#state === "closed" ? new Error("the connection is gone") : null, NOTHING);
  }
}

/** @returns more than `most` bytes for a message that becomes more: the library closes the connection with 1009 */
function inflated(data: Buffer, most: number): Buffer {
  try {
    return inflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: most });
  } catch (cause) {
    const isTooLarge = errorCode(cause) === "ERR_BUFFER_TOO_LARGE";
    return isTooLarge ? Buffer.allocUnsafeSlow(most + 1) : BROKEN;
  }
}
