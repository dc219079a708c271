import { ignore } from "../../../util/ignore.js";
export interface Pipeline<In, Out> {
  /** How many items, and how much of weight, may be under way or wait to be taken. One item always may. */
  readonly window: { readonly items: number; readonly weight: number };
  readonly weigh: (item: In) => number;
  readonly handle: (item: In) => Promise<Out>;
  /** Once one is aborted nothing more is begun; what has begun is finished, and then the signal's reason thrown. */
  readonly stops: readonly AbortSignal[];
}

/**
 * Handles what a stream brings without waiting for one to be done before the next begins, and gives the results in the
 * order of the stream. While the window is full the stream is not read, and its flow control slows the sender.
 *
 * The first failure ends it, after the results of everything before. Where `handle` throws at once, nothing that comes
 * later in the stream is begun.
 */
export async function* pipelined<In, Out>(
  stream: AsyncIterable<In>,
  { handle, stops, weigh, window }: Pipeline<In, Out>,
): AsyncGenerator<Out> {
  const pending: { readonly result: Promise<Out>; readonly weight: number }[] = [];
  const changed = new Signal();
  const state = { reading: true, weight: 0 };

  const read = async (): Promise<void> => {
    for await (const item of stream) {
      // Read while the end came: not begun, and so not answered.
      if (!state.reading) return;
      const size = weigh(item);
      state.weight += size;
      pending.push({ result: begin(handle(item)), weight: size });
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
  // Its failure, a refusal by `handle` or the stream's own, is the last result.
  const ended = begin(read().finally(end));

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

/** Whoever takes the result sees its failure; until then it is not an unhandled one. */
function begin<T>(result: Promise<T>): Promise<T> {
  result.catch(ignore);
  return result;
}

/** Wakes everybody who waits for a change. */
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
