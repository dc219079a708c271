import type { AnswerLease } from "../answer-budget.js";
import type { Codec } from "../service.js";
import { countAnswer } from "./method-codec.js";

/** Writes the answers of one streaming call. */
export interface AnswerWriter {
  /** True when the call has ended, so that nothing more can be sent. */
  readonly cancelled: boolean;
  /**
   * Writes an answer; a Buffer is already encoded.
   * @returns false if the next one must wait for {@link untilWritable}
   */
  write(answer: object): boolean;
  /**
   * Writes an encoded answer. Resolves when the peer's connection has accepted it, when the call has ended, or when the signal
   * is aborted; undefined if the connection has accepted it at once.
   */
  writeThrough(answer: Buffer, signal: AbortSignal): Promise<void> | undefined;
  /** Resolves when the peer can be written to again, when the call has ended, or when the signal is aborted. */
  untilWritable(signal: AbortSignal): Promise<void>;
  /** Ends the call with OK. */
  end(): void;
}

export interface AnswerBounds {
  readonly codec: Codec;
  /** Counts the bytes of the answers; undefined: they are not counted. */
  readonly lease: AnswerLease | undefined;
  /** Stops the writing when it is aborted. */
  readonly signal: AbortSignal;
}

/**
 * Writes the answers of a streaming method, each when the peer has taken those before it.
 * @param handle - calls the method, which returns an async iterable
 * @throws error of the method; reason of the signal
 */
export async function writeAnswers(
  handle: () => unknown,
  writer: AnswerWriter,
  { codec, lease, signal }: AnswerBounds,
): Promise<void> {
  try {
    for await (const answer of handle() as AsyncIterable<object>) {
      if (writer.cancelled) return;
      if (Buffer.isBuffer(answer)) {
        const accepted = writer.writeThrough(answer, signal);
        if (accepted !== undefined) await accepted;
        signal.throwIfAborted();
        continue;
      }
      const written = lease === undefined ? answer : countAnswer(codec, answer, lease);
      lease?.settle();
      if (writer.write(written)) continue;
      await writer.untilWritable(signal);
      signal.throwIfAborted();
    }
  } finally {
    lease?.settle();
  }
  writer.end();
}
