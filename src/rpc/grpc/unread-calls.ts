import { constants, type ServerHttp2Stream } from "node:http2";
import { type LinkedEntry, LinkedList } from "../../util/linked-list.js";

/** Interval between checks for unread answers, as a fraction of their time. */
const CHECKS = 4;

/**
 * Bytes a millisecond that a peer has to take, beyond the time without any: node:http2 does not tell how much of one write is
 * gone before all of it is.
 */
const LEAST_RATE = 64;

/** A call whose answer is being sent. */
interface UnreadCall {
  readonly stream: ServerHttp2Stream;
  /** Bytes that waited when it was last seen to move. */
  waiting: number;
  /** When that was, by `performance.now()`. */
  since: number;
}

export type UnreadEntry = LinkedEntry<UnreadCall>;

/**
 * Resets streams of whose answers nothing is taken, and those left open after their answer. One timer serves all; it runs
 * while there are such streams.
 */
export class UnreadCalls {
  readonly #timeout: number;
  readonly #calls = new LinkedList<UnreadCall>();
  #timer: NodeJS.Timeout | undefined;

  /** @param timeout - milliseconds for which a peer may take nothing of an answer, or leave an answered request open */
  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  /** Watches a stream on which something is being sent. @returns the entry, to {@link remove} when the stream is closed */
  add(stream: ServerHttp2Stream): UnreadEntry {
    this.#timer ??= setInterval(this.#check, this.#timeout / CHECKS).unref();
    return this.#calls.add({ stream, waiting: stream.writableLength, since: performance.now() });
  }

  remove(entry: UnreadEntry): void {
    this.#calls.remove(entry);
  }

  readonly #check = (): void => {
    const now = performance.now();
    for (const call of this.#calls.values()) {
      const { stream } = call;
      const allTaken = stream.writableLength === 0 && !stream.writableEnded;
      if (allTaken || stream.writableLength < call.waiting) {
        call.waiting = stream.writableLength;
        call.since = now;
      } else if (now - call.since >= this.#timeout + call.waiting / LEAST_RATE) {
        stream.close(constants.NGHTTP2_CANCEL);
      }
    }
    if (!this.#calls.isEmpty) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  };
}
