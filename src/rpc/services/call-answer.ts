import { CarillonError } from "../../errors.js";
import type { Caller, CallHandle } from "../../workers/dispatch.js";

/** What a part counts as besides its payload, in bytes. */
const PART_BYTES = 64;
/** Parts that were taken are let go when there are so many, or one of so many bytes. */
const MANY_TAKEN = 64;
const LARGE_PART = 64 << 10;

/**
 * The parts of an answer on their way to a caller. What waits is bounded (O6): a caller that takes too little of what comes
 * is refused, and the worker told.
 */
export class CallAnswer implements Caller {
  /** Of what waits, in bytes; each part counts for some more. */
  readonly #limit: number;
  readonly #refusal: string;
  #parts: Uint8Array[] = [];
  /** How many of them have been taken. */
  #taken = 0;
  #waiting = 0;
  #ended = false;
  #failure: CarillonError | undefined;
  #asked: CallHandle | undefined;
  #wake: (() => void) | undefined;

  /** @param refusal - what the caller is told when more waits */
  constructor(limit: number, refusal: string) {
    this.#limit = limit;
    this.#refusal = refusal;
  }

  /** The task whose answer this is. */
  begin(asked: CallHandle): void {
    this.#asked = asked;
  }

  onPart(payload: Uint8Array, more: boolean): void {
    if (this.#ended) return;
    this.#waiting += payload.length + PART_BYTES;
    if (this.#waiting > this.#limit) {
      this.cancel(new CarillonError("resource_exhausted", this.#refusal, { retryDelay: Number.POSITIVE_INFINITY }));
      return;
    }
    this.#parts.push(payload);
    this.#ended = !more;
    this.#wake?.();
  }

  /** Parts that came before are told first. */
  onFailed(error: CarillonError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = error;
    this.#wake?.();
  }

  /** The caller gets nothing more of it, and the worker is told that nobody waits. */
  cancel(reason: CarillonError): void {
    if (!this.#ended) this.#asked?.cancel();
    this.#ended = true;
    this.#failure ??= reason;
    this.#forget();
    this.#wake?.();
  }

  /** All parts, when they have come. @throws CarillonError why there are not all */
  async whole(): Promise<Uint8Array[]> {
    while (!this.#ended) await this.#changed();
    if (this.#failure !== undefined) throw this.#failure;
    return this.#parts;
  }

  /** Each as it comes. @throws CarillonError after the last, if there is something wrong */
  async *each(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const part = this.#parts[this.#taken];
      if (part !== undefined) {
        this.#waiting -= part.length + PART_BYTES;
        this.#taken += 1;
        if (this.#taken === this.#parts.length) this.#forget();
        else if (this.#taken >= MANY_TAKEN || part.length > LARGE_PART) this.#forgetTaken();
        yield part;
      } else if (!this.#ended) {
        await this.#changed();
      } else if (this.#failure === undefined) {
        return;
      } else {
        throw this.#failure;
      }
    }
  }

  /** What has been taken is not kept for as long as more waits. */
  #forgetTaken(): void {
    this.#parts.splice(0, this.#taken);
    this.#taken = 0;
  }

  #forget(): void {
    this.#parts = [];
    this.#taken = 0;
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
