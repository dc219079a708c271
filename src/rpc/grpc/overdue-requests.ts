import { CarillonError } from "../../errors.js";
import { type LinkedEntry, LinkedList } from "../../util/linked-list.js";

/** Number of checks for overdue requests within the timeout. */
const CHECKS = 8;

/** Request of a call. */
export interface WatchedRequest {
  /**
   * Time by `performance.now()` since which the rest of the request, or of a message of a stream, is missing; undefined if
   * nothing is missing.
   */
  readonly incompleteSince: number | undefined;
  /** Ends the call with an error. */
  refuse(cause: CarillonError): void;
}

/** Ends calls whose requests take too long to arrive. One timer serves all; it runs while there are calls. */
export class OverdueRequests {
  readonly #timeout: number;
  readonly #requests = new LinkedList<WatchedRequest>();
  #timer: NodeJS.Timeout | undefined;

  /** @param timeout - milliseconds for which a request, or a message of a stream that has begun, may be incomplete */
  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  /** @returns the entry, for {@link remove} */
  add(request: WatchedRequest): LinkedEntry<WatchedRequest> {
    this.#timer ??= setInterval(this.#check, this.#timeout / CHECKS).unref();
    return this.#requests.add(request);
  }

  remove(entry: LinkedEntry<WatchedRequest>): void {
    this.#requests.remove(entry);
  }

  readonly #check = (): void => {
    const latest = performance.now() - this.#timeout;
    for (const request of this.#requests.values()) {
      if ((request.incompleteSince ?? Number.POSITIVE_INFINITY) > latest) continue;
      const text = `the request was not complete within ${this.#timeout / 1_000} s`;
      request.refuse(new CarillonError("deadline_exceeded", text));
    }
    if (!this.#requests.isEmpty) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  };
}
