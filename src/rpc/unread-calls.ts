import { constants, type ServerHttp2Stream } from "node:http2";

/** Interval between checks for unread answers, as a fraction of their time. */
const CHECKS = 4;

/**
 * Bytes a millisecond that a peer has to take, beyond the time without any: node:http2 does not tell how much of one write is
 * gone before all of it is.
 */
const LEAST_RATE = 64;

interface Unread {
  /** Bytes that waited when it was last seen to move. */
  waiting: number;
  /** When that was, by `performance.now()`. */
  since: number;
}

/** Resets streams of whose answers nothing is taken, and those left open after their answer. One timer serves all; it runs while there are such streams. */
export class UnreadCalls {
  readonly #timeout: number;
  readonly #streams = new Map<ServerHttp2Stream, Unread>();
  #timer: NodeJS.Timeout | undefined;

  /** @param timeout - milliseconds for which a peer may take nothing of an answer, or leave an answered request open */
  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  /** Something is being sent on it. Whoever adds it deletes it when it is closed. */
  add(stream: ServerHttp2Stream): void {
    if (stream.destroyed || this.#streams.has(stream)) return;
    this.#streams.set(stream, { waiting: stream.writableLength, since: performance.now() });
    this.#timer ??= setInterval(this.#check, this.#timeout / CHECKS).unref();
  }

  delete(stream: ServerHttp2Stream): void {
    this.#streams.delete(stream);
  }

  readonly #check = (): void => {
    const now = performance.now();
    for (const [stream, unread] of this.#streams) {
      if (stream.writableLength === 0 && !stream.writableEnded) {
        // All was taken so far, and there may be more.
        this.#streams.delete(stream);
      } else if (stream.writableLength < unread.waiting) {
        unread.waiting = stream.writableLength;
        unread.since = now;
      } else if (now - unread.since >= this.#timeout + unread.waiting / LEAST_RATE) {
        stream.close(constants.NGHTTP2_CANCEL);
      }
    }
    if (this.#streams.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  };
}
