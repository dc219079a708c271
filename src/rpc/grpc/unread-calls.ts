import { Http2Code } from "../../http2/http2-codes.js";
import { type LinkedEntry, LinkedList } from "../../util/linked-list.js";

/** Number of checks for unread answers within the timeout. */
const CHECKS = 4;

/**
 * Lowest accepted rate of a peer, in bytes per millisecond. The timeout is extended by the time that the pending bytes take
 * at this rate, because node:http2 reports no progress within a write until all of it has been sent.
 */
const MIN_RATE = 64;

/** Stream of an answer, in the terms of node:http2. */
export interface AnswerStream {
  /** Number of bytes that the peer has not taken yet. */
  readonly writableLength: number;
  /** Whether the whole answer has been written. */
  readonly writableEnded: boolean;
  /** Resets the stream. @param code - error code of RFC 9113, section 7 */
  close(code: number): void;
}

/** Call with an answer in transit. */
interface UnreadCall {
  readonly stream: AnswerStream;
  /** Bytes pending when progress was last seen. */
  pending: number;
  /** Time of the last progress, by `performance.now()`. */
  since: number;
}

export type UnreadEntry = LinkedEntry<UnreadCall>;

/**
 * Resets streams whose answers are not read, and streams left open after their answer. One timer serves all; it runs
 * while there are such streams.
 */
export class UnreadCalls {
  readonly #timeout: number;
  readonly #calls = new LinkedList<UnreadCall>();
  #timer: NodeJS.Timeout | undefined;

  /** @param timeout - milliseconds for which a peer may leave an answer unread or an answered request open */
  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  /** Watches a stream with an answer in transit. @returns the entry, to {@link remove} when the stream is closed */
  add(stream: AnswerStream): UnreadEntry {
    this.#timer ??= setInterval(this.#check, this.#timeout / CHECKS).unref();
    return this.#calls.add({ stream, pending: stream.writableLength, since: performance.now() });
  }

  remove(entry: UnreadEntry): void {
    this.#calls.remove(entry);
  }

  readonly #check = (): void => {
    const now = performance.now();
    for (const call of this.#calls.values()) {
      const { stream } = call;
      const allTaken = stream.writableLength === 0 && !stream.writableEnded;
      if (allTaken || stream.writableLength < call.pending) {
        call.pending = stream.writableLength;
        call.since = now;
      } else if (now - call.since >= this.#timeout + call.pending / MIN_RATE) {
        stream.close(Http2Code.CANCEL);
      }
    }
    if (!this.#calls.isEmpty) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  };
}
