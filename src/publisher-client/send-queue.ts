import { CarillonError } from "../errors.js";
import type { ConfirmedMessage, PublishedMessage } from "../outbound/publish-stream.js";

/** Maximum number of messages, of pairs of a message and a topic, and of bytes of a batch. The default limits of nodes are higher. */
const BATCH_MESSAGES = 500;
const BATCH_TOPICS = 10_000;
const BATCH_BYTES = 1_024 * 1_024;

/** Message that the node has not confirmed. */
export interface PendingMessage {
  readonly message: PublishedMessage;
  readonly bytes: number;
  /** Time at which it fails, by the monotonic clock. */
  readonly expiresAt: number;
  /** Whether it travels in a request of its own, because the node has refused a batch with it. */
  isSingle: boolean;
  /** Whether it has been reported. A message that has expired in flight may still be published. */
  isSettled: boolean;
  readonly settle: (result: ConfirmedMessage | CarillonError) => void;
}

/** Index of the message that a refusal names. */
const NAMED = /^messages\[(\d+)\]/;

/** Messages that wait, and batches that have been sent, both in the order of publishing. */
export class SendQueue {
  #waiting: PendingMessage[] = [];
  readonly #sent: (readonly PendingMessage[])[] = [];

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#sent.length === 0;
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  get hasSent(): boolean {
    return this.#sent.length > 0;
  }

  /** The message that was published first. All have the same time to live, so it expires first. */
  get oldest(): PendingMessage | undefined {
    return this.#sent[0]?.find(({ isSettled }) => !isSettled) ?? this.#waiting[0];
  }

  push(message: PendingMessage): void {
    this.#waiting.push(message);
  }

  /** Takes the next batch, which counts as sent. At least one message must wait. */
  nextBatch(): readonly PublishedMessage[] {
    let count = 0;
    let topics = 0;
    let bytes = 0;
    for (const { bytes: size, isSingle, message } of this.#waiting) {
      topics += message.topics?.length ?? 0;
      bytes += size;
      const isFull = count === BATCH_MESSAGES || topics > BATCH_TOPICS || bytes > BATCH_BYTES;
      if (count > 0 && (isFull || isSingle)) break;
      count += 1;
      if (isSingle) break;
    }
    const batch = this.#waiting.splice(0, count);
    this.#sent.push(batch);
    return batch.map(({ message }) => message);
  }

  /** Reports the receipts for the oldest batch. */
  confirm(receipts: readonly ConfirmedMessage[]): void {
    const batch = this.#sent.shift() ?? [];
    for (const [index, pending] of batch.entries()) {
      const receipt = receipts[index];
      if (receipt !== undefined) pending.settle(receipt);
    }
  }

  /**
   * Reports a refusal of the oldest batch. Only the message that it names fails, if it names one; otherwise those of a larger batch
   * are sent again one by one. Later batches were not published.
   */
  refuse(failure: CarillonError): void {
    const [refused = []] = this.#sent;
    const named = refused[Number(NAMED.exec(failure.message)?.[1] ?? (refused.length === 1 ? 0 : Number.NaN))];
    if (named === undefined) for (const pending of refused) pending.isSingle = true;
    else named.settle(withoutIndex(failure));
    this.returnSent();
  }

  /** Fails all messages. */
  failAll(failure: CarillonError): void {
    this.returnSent();
    for (const pending of this.#waiting.splice(0)) pending.settle(failure);
  }

  /** Lets all messages that have been sent wait again, before the others. */
  returnSent(): void {
    const sent = this.#sent.splice(0).flat();
    this.#waiting = [...sent, ...this.#waiting].filter(({ isSettled }) => !isSettled);
  }

  /** Fails the messages that have expired. Those in flight keep their places, because answers come in order. */
  expire(now: number, createFailure: () => CarillonError): void {
    for (const pending of [...this.#sent.flat(), ...this.#waiting]) {
      if (pending.expiresAt > now) break;
      if (!pending.isSettled) pending.settle(createFailure());
    }
    this.#waiting = this.#waiting.filter(({ isSettled }) => !isSettled);
  }
}

/** Removes the index from the text of a refusal, because it counts the messages of a batch, which callers do not see. */
function withoutIndex(failure: CarillonError): CarillonError {
  const text = failure.message.replace(/^messages\[\d+\]\./, "").replace(NAMED, "message");
  return new CarillonError(failure.code, text, { cause: failure });
}
