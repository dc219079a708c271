import { ignore } from "../util/ignore.js";

export interface Pipeline<In, Out, Ahead> {
  /** Maximum number and total weight of items in progress or with a result not yet taken. One item is always allowed. */
  readonly window: { readonly items: number; readonly weight: number };
  readonly weigh: (item: In) => number;
  /** Starts what must be done before an item is handled; undefined for nothing. It delays the items after it (O1). */
  readonly prepare: (item: In) => Promise<Ahead> | undefined;
  /** @param prepared - result of `prepare` */
  readonly handle: (item: In, prepared: Ahead | undefined) => Out | Promise<Out>;
  /** Signals that stop the reading. Items in progress are completed; then the signal's reason is thrown. */
  readonly stops: readonly AbortSignal[];
}

/** Answers of a stream whose requests are handled concurrently. A server may handle the requests itself, by the pipeline. */
export class PipelinedAnswers<In, Out, Ahead> implements AsyncIterable<Out> {
  readonly requests: AsyncIterable<In>;
  readonly pipeline: Pipeline<In, Out, Ahead>;

  constructor(requests: AsyncIterable<In>, pipeline: Pipeline<In, Out, Ahead>) {
    this.requests = requests;
    this.pipeline = pipeline;
  }

  [Symbol.asyncIterator](): AsyncIterator<Out> {
    return pipelined(this.requests, this.pipeline);
  }
}

/**
 * Handles the items of a stream concurrently, and yields the results in the order of the stream. While the window is full the
 * stream is not read, so that its flow control slows the sender.
 *
 * The first failure ends the stream, after the results of all earlier items. If `handle` throws synchronously, no later item
 * is begun.
 */
async function* pipelined<In, Out, Ahead>(
  stream: AsyncIterable<In>,
  { handle, prepare, stops, weigh, window }: Pipeline<In, Out, Ahead>,
): AsyncGenerator<Out> {
  const pending: { readonly result: Out | Promise<Out>; readonly weight: number }[] = [];
  const changed = new Signal();
  const state = { reading: true, weight: 0 };

  const read = async (): Promise<void> => {
    for await (const item of stream) {
      // The pipeline has ended while this item was read, so the item is neither handled nor answered.
      if (!state.reading) return;
      const ahead = prepare(item);
      const prepared = ahead === undefined ? undefined : await ahead;
      if (!state.reading) return;
      const size = weigh(item);
      state.weight += size;
      pending.push({ result: holdRejection(handle(item, prepared)), weight: size });
      changed.raise();
      while (state.reading && (pending.length >= window.items || state.weight >= window.weight)) await changed.wait();
      if (!state.reading) return;
    }
  };
  const end = (): void => {
    state.reading = false;
    changed.raise();
  };
  for (const stop of stops) {
    if (stop.aborted) end();
    stop.addEventListener("abort", end);
  }
  // A failure, either a refusal by `handle` or the stream's own, comes after all results.
  const ended = holdRejection(read().finally(end));

  try {
    while (state.reading || pending.length > 0) {
      const [first] = pending;
      if (first === undefined) {
        await changed.wait();
        continue;
      }
      const result = await first.result;
      pending.shift();
      state.weight -= first.weight;
      changed.raise();
      yield result;
    }
    for (const stop of stops) stop.throwIfAborted();
    await ended;
  } finally {
    for (const stop of stops) stop.removeEventListener("abort", end);
    end();
  }
}

/** Marks a rejection as handled until the result is awaited. */
export function holdRejection<T>(result: T | Promise<T>): T | Promise<T> {
  if (result instanceof Promise) result.catch(ignore);
  return result;
}

/** Wakes all waiters on a change. */
class Signal {
  #wake: (() => void) | undefined;
  #changed: Promise<void> | undefined;

  wait(): Promise<void> {
    this.#changed ??= new Promise((resolve) => {
      this.#wake = resolve;
    });
    return this.#changed;
  }

  raise(): void {
    this.#wake?.();
    this.#wake = undefined;
    this.#changed = undefined;
  }
}
