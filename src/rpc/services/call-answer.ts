import { CarillonError } from "../../errors.js";
import type { Caller, CallHandle } from "../../workers/dispatch.js";

/** Overhead counted for each part, in bytes, in addition to its payload. */
const PART_BYTES = 64;
/** Number of taken parts from which all taken parts are freed, and size of a single part, in bytes, above which they are. */
const MANY_TAKEN = 64;
const LARGE_PART = 64 << 10;

/** Parts of an answer, queued for a caller. The queue is bounded (O6): when it overflows, the caller gets an error and the task is cancelled. */
export class CallAnswer implements Caller {
  /** Maximum number of queued bytes, with {@link PART_BYTES} for each part. */
  readonly #limit: number;
  readonly #refusal: string;
  #parts: Uint8Array[] = [];
  /** Number of parts taken from the front of `#parts`. */
  #taken = 0;
  #queuedBytes = 0;
  #ended = false;
  #failure: CarillonError | undefined;
  #task: CallHandle | undefined;
  #wake: (() => void) | undefined;

  /** @param refusal - error text when more than `limit` bytes are queued */
  constructor(limit: number, refusal: string) {
    this.#limit = limit;
    this.#refusal = refusal;
  }

  /** Sets the task whose answer this is. */
  begin(task: CallHandle): void {
    this.#task = task;
  }

  onPart(payload: Uint8Array, more: boolean): void {
    if (this.#ended) return;
    this.#queuedBytes += payload.length + PART_BYTES;
    if (this.#queuedBytes > this.#limit) {
      this.cancel(new CarillonError("resource_exhausted", this.#refusal, { retryDelay: Number.POSITIVE_INFINITY }));
      return;
    }
    this.#parts.push(payload);
    this.#ended = !more;
    this.#wake?.();
  }

  /** Fails after the parts that have already arrived. */
  onFailed(error: CarillonError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = error;
    this.#wake?.();
  }

  /** Ends the answer for the caller, and cancels the task. */
  cancel(reason: CarillonError): void {
    if (!this.#ended) this.#task?.cancel();
    this.#ended = true;
    this.#failure ??= reason;
    this.#forget();
    this.#wake?.();
  }

  /** Resolves with all parts once the answer is complete. @throws CarillonError if it fails */
  async readAll(): Promise<Uint8Array[]> {
    while (!this.#ended) await this.#changed();
    if (this.#failure !== undefined) throw this.#failure;
    return this.#parts;
  }

  /** Yields each part as it arrives. @throws CarillonError after the last part, if the task fails */
  async *each(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const part = this.#parts[this.#taken];
      if (part !== undefined) {
        this.#queuedBytes -= part.length + PART_BYTES;
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

  /** Frees the parts already taken, while others are queued. */
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
