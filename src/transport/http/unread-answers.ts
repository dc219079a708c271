import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../core/ports.js";
import { LinkedList } from "../../util/linked-list.js";

/** Checks within the time that a peer has. */
const CHECKS = 2;

/** How an answer's connection stood at the last check. */
interface Progress {
  readonly response: ServerResponse;
  /** Bytes that the system had taken; undefined: all there were. */
  taken: number | undefined;
  /** Checks since then that have found the same. */
  unchanged: number;
}

/**
 * Cuts connections that take nothing of an answer: what waits for them would wait as long as the peer likes. An answer that
 * waits for the node, such as a poll or a feed, is left alone.
 *
 * As with nginx's send_timeout, progress is what the system takes: where its buffers are large, a peer that reads very slowly
 * shows it in steps.
 */
export class UnreadAnswers {
  /** The answers under way. */
  readonly #answers = new LinkedList<Progress>();
  readonly #interval: number;
  readonly #clock: Clock;
  #cancel: (() => void) | undefined;

  /** @param time - milliseconds that a peer may take nothing; it is cut half of that later at the latest */
  constructor(time: number, clock: Clock) {
    this.#interval = time / CHECKS;
    this.#clock = clock;
  }

  /** Checks from now on, once in each interval. */
  start(): void {
    this.#cancel = this.#clock.after(this.#interval, () => {
      for (const progress of this.#answers.values()) check(progress);
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  /** Watches an answer until it has ended. */
  add(response: ServerResponse): void {
    const entry = this.#answers.add({ response, taken: undefined, unchanged: 0 });
    response.once("close", () => this.#answers.remove(entry));
  }
}

function check(progress: Progress): void {
  const { socket } = progress.response;
  // Without a socket it waits for the answer before it on the same connection.
  const taken = socket === null || socket.writableLength === 0 ? undefined : takenBytes(socket);
  progress.unchanged = taken !== undefined && taken === progress.taken ? progress.unchanged + 1 : 0;
  progress.taken = taken;
  if (progress.unchanged >= CHECKS) socket?.destroy();
}

/** A connection as the system has it; that of TLS writes to another one below it. */
interface SystemHandle {
  /** Bytes that the system has not taken yet. */
  readonly writeQueueSize?: number;
  readonly _parent?: SystemHandle;
}

/**
 * Bytes written to a socket that the system has taken. One write may be large, and be taken little by little: node's own
 * time-outs of sockets look at the same queue.
 */
export function takenBytes(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { readonly _handle?: SystemHandle | null };
  const { _parent: below = handle } = handle ?? {};
  return socket.bytesWritten - socket.writableLength - (below?.writeQueueSize ?? 0);
}
