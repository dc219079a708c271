import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../core/ports.js";
import { LinkedList } from "../../util/linked-list.js";

/** Number of checks within the timeout. */
const CHECKS = 2;

/** Progress of a response at the last check. */
interface Progress {
  readonly response: ServerResponse;
  /** Bytes that the operating system had accepted; undefined when none were waiting. */
  accepted: number | undefined;
  /** Number of checks without progress. */
  unchanged: number;
}

/**
 * Closes connections whose peer reads nothing of a response, so that a peer cannot make the node hold the response forever. A
 * response that waits for the node, such as a poll or a feed, is not affected.
 *
 * Like nginx's send_timeout, it measures the bytes that the operating system accepts. With large system buffers a very slow
 * peer makes progress in steps.
 */
export class UnreadAnswers {
  /** Responses that have not ended. */
  readonly #answers = new LinkedList<Progress>();
  readonly #interval: number;
  readonly #clock: Clock;
  readonly #onEnded: () => void;
  #cancel: (() => void) | undefined;

  /**
   * @param time - milliseconds in which a peer may read nothing; it is disconnected at most half of that later
   * @param onEnded - called when a watched response has ended
   */
  constructor(time: number, clock: Clock, onEnded: () => void) {
    this.#interval = time / CHECKS;
    this.#clock = clock;
    this.#onEnded = onEnded;
  }

  /** Starts the checks, one in each interval. */
  start(): void {
    this.#cancel = this.#clock.after(this.#interval, () => {
      for (const progress of this.#answers.values()) check(progress);
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  /** Watches a response until it has ended. */
  add(response: ServerResponse): void {
    const entry = this.#answers.add({ response, accepted: undefined, unchanged: 0 });
    response.on("close", () => {
      this.#answers.remove(entry);
      this.#onEnded();
    });
  }
}

function check(progress: Progress): void {
  const { socket } = progress.response;
  // A response without a socket waits for the response before it on the same connection.
  const accepted = socket === null || socket.writableLength === 0 ? undefined : countAcceptedBytes(socket);
  progress.unchanged = accepted !== undefined && accepted === progress.accepted ? progress.unchanged + 1 : 0;
  progress.accepted = accepted;
  if (progress.unchanged >= CHECKS) socket?.destroy();
}

/** Node's internal handle of a connection; a TLS handle writes to its parent. */
interface SystemHandle {
  /** Bytes that the operating system has not accepted yet. */
  readonly writeQueueSize?: number;
  readonly _parent?: SystemHandle;
}

/**
 * Counts the bytes written to a socket that the operating system has accepted. A single large write is accepted in
 * parts; Node's own socket timeouts read the same queue.
 */
export function countAcceptedBytes(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { readonly _handle?: SystemHandle | null };
  const { _parent: lowest = handle } = handle ?? {};
  return socket.bytesWritten - socket.writableLength - (lowest?.writeQueueSize ?? 0);
}
