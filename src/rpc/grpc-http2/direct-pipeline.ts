import { withResolvers } from "../../util/with-resolvers.js";
import type { AnswerWriter } from "../grpc/answer-writer.js";
import { holdRejection, type Pipeline } from "../pipelined.js";
import { AnswerCoalescer } from "./answer-coalescer.js";
import type { RequestConsumer, RequestQueue } from "./request-queue.js";

/** Item whose result is not sent yet. */
interface PendingItem {
  readonly result: unknown;
  readonly weight: number;
}

/** Writer of a stream's answers that tells when the connection writes. */
export interface PipelineWriter extends AnswerWriter {
  /** See {@link ServerStream.beforeWrite}. */
  beforeWrite(callback: () => void): void;
}

/**
 * Handles the requests of a stream as {@link PipelinedAnswers} does, in the turn in which they arrive. A result that is known
 * at once costs neither a promise nor a step of an iterator. It is sent when {@link AnswerCoalescer} decides.
 */
export class DirectPipeline implements RequestConsumer {
  readonly #pipeline: Pipeline<unknown, unknown, unknown>;
  readonly #queue: RequestQueue;
  readonly #writer: PipelineWriter;
  readonly #signal: AbortSignal;
  readonly #done = withResolvers<void>();
  readonly #pending: PendingItem[] = [];
  readonly #coalescer = new AnswerCoalescer(() => this.#release());
  #weight = 0;
  #isReading = true;
  #isPreparing = false;
  #isSending = false;
  /** The coalescer decides about the results before the connection writes. */
  #isDeciding = false;
  /** Error of a request or of the stream. It comes after the results of all earlier requests. */
  #failure: unknown;

  /** @param signal - of the call */
  constructor(
    pipeline: Pipeline<unknown, unknown, unknown>,
    queue: RequestQueue,
    writer: PipelineWriter,
    signal: AbortSignal,
  ) {
    this.#pipeline = pipeline;
    this.#queue = queue;
    this.#writer = writer;
    this.#signal = signal;
  }

  get isReady(): boolean {
    return this.#isReading && !this.#isPreparing && !this.#isFull;
  }

  get #isFull(): boolean {
    const { items, weight } = this.#pipeline.window;
    return this.#pending.length >= items || this.#weight >= weight;
  }

  /**
   * Resolves when all requests are answered.
   * @throws error of the pipeline or of the stream; reason of a signal
   */
  async run(): Promise<void> {
    const { stops } = this.#pipeline;
    const stop = (): void => this.#stopReading();
    for (const signal of stops) {
      if (signal.aborted) this.#isReading = false;
      signal.addEventListener("abort", stop);
    }
    try {
      if (this.#isReading) this.#queue.feed(this);
      else this.#settle();
      await this.#done.promise;
      for (const signal of stops) signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
    } finally {
      this.#isReading = false;
      for (const signal of stops) signal.removeEventListener("abort", stop);
      this.#queue.discard();
    }
    this.#writer.end();
  }

  take(request: object): void {
    try {
      const ahead = this.#pipeline.prepare(request);
      if (ahead === undefined) this.#handle(request, undefined);
      else void this.#handleLater(request, ahead);
    } catch (cause) {
      this.finish(cause);
    }
  }

  finish(cause: unknown): void {
    this.#failure ??= cause;
    this.#stopReading();
  }

  async #handleLater(request: object, ahead: Promise<unknown>): Promise<void> {
    this.#isPreparing = true;
    try {
      const prepared = await ahead;
      this.#isPreparing = false;
      if (this.#isReading) this.#handle(request, prepared);
      this.#queue.resume();
    } catch (cause) {
      this.#isPreparing = false;
      this.finish(cause);
    }
    this.#settle();
  }

  /** @throws refusal of the pipeline */
  #handle(request: object, prepared: unknown): void {
    const { handle, weigh } = this.#pipeline;
    const weight = weigh(request);
    const result = handle(request, prepared);
    this.#weight += weight;
    this.#pending.push({ result: holdRejection(result), weight });
    if (this.#isSending) return;
    if (result instanceof Promise || this.#isFull) this.#release();
    else if (!this.#isDeciding) {
      this.#isDeciding = true;
      this.#writer.beforeWrite(this.#decide);
    }
  }

  readonly #decide = (): void => {
    this.#isDeciding = false;
    if (!this.#isSending && this.#pending.length > 0) this.#coalescer.decide(this.#pending.length);
  };

  /** Sends the results that are known, and the others when they are. */
  #release(): void {
    this.#coalescer.clear();
    try {
      for (let first = this.#pending[0]; first !== undefined; first = this.#pending[0]) {
        if (first.result instanceof Promise) {
          void this.#send(undefined);
          return;
        }
        this.#pending.shift();
        this.#weight -= first.weight;
        if (!this.#writer.write(first.result as object)) {
          void this.#send(this.#writer.untilWritable(this.#signal));
          return;
        }
      }
    } catch (cause) {
      this.#fail(cause);
      this.#settle();
    }
  }

  /**
   * Sends the pending results in order, each when the peer has taken those before it.
   * @param writable - resolves when the first can be sent; undefined: now
   */
  async #send(writable: Promise<void> | undefined): Promise<void> {
    this.#isSending = true;
    try {
      if (writable !== undefined) {
        await writable;
        this.#signal.throwIfAborted();
      }
      for (let [first] = this.#pending; first !== undefined; [first] = this.#pending) {
        const result = first.result instanceof Promise ? ((await first.result) as unknown) : first.result;
        this.#pending.shift();
        this.#weight -= first.weight;
        if (this.#isReading) this.#queue.resume();
        // Nobody reads the other results.
        if (this.#writer.cancelled) this.#pending.length = 0;
        else if (!this.#writer.write(result as object)) {
          await this.#writer.untilWritable(this.#signal);
          this.#signal.throwIfAborted();
        }
      }
    } catch (cause) {
      this.#fail(cause);
    }
    this.#isSending = false;
    this.#settle();
  }

  /** Ends the pipeline without the results that are not sent. */
  #fail(cause: unknown): void {
    this.#failure = cause;
    this.#isReading = false;
    this.#pending.length = 0;
  }

  #stopReading(): void {
    this.#isReading = false;
    this.#settle();
  }

  /** When nothing follows, sends what waits, and ends the pipeline once everything is answered. */
  #settle(): void {
    if (this.#isReading || this.#isPreparing) return;
    if (!this.#isSending) this.#release();
    if (!this.#isSending && this.#pending.length === 0) this.#done.resolve();
  }
}
