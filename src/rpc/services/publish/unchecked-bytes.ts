import { CarillonError } from "../../../errors.js";

/** Most bytes of the requests that wait for their check, of all vhosts together and of one. */
const MOST_BYTES = 64 << 20;
const MOST_BYTES_OF_VHOST = MOST_BYTES / 2;

/** Milliseconds after which a refused caller is told to try again. */
const RETRY_DELAY = 1_000;

/** Bounds requests that are complete, so that no port counts them any more, and whose check takes several turns. */
export class UncheckedBytes {
  readonly #byVhost = new Map<string, number>();
  #bytes = 0;

  /** Counts a request until its check has ended. @throws CarillonError resource_exhausted, and what the check throws */
  async hold<Result>(vhost: string, bytes: number, check: () => Promise<Result>): Promise<Result> {
    const ofVhost = (this.#byVhost.get(vhost) ?? 0) + bytes;
    // One request always may wait.
    if (this.#bytes > 0 && (ofVhost > MOST_BYTES_OF_VHOST || this.#bytes + bytes > MOST_BYTES)) {
      const text = "too many requests wait for their topics to be held against patterns: try again later";
      throw new CarillonError("resource_exhausted", text, { retryDelay: RETRY_DELAY });
    }
    this.#add(vhost, bytes);
    try {
      return await check();
    } finally {
      this.#add(vhost, -bytes);
    }
  }

  #add(vhost: string, bytes: number): void {
    const ofVhost = (this.#byVhost.get(vhost) ?? 0) + bytes;
    if (ofVhost === 0) this.#byVhost.delete(vhost);
    else this.#byVhost.set(vhost, ofVhost);
    this.#bytes += bytes;
  }
}
