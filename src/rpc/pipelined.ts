/**
 * Handles what a stream brings without waiting for one to be done before the next begins, and gives the results in the
 * order of the stream. At most `window` of them are under way or wait to be taken; then the stream is not read, and its
 * flow control slows the sender.
 *
 * The first failure ends it, after the results of everything before. Where `handle` throws at once, nothing that comes
 * later in the stream is begun. When `stop` is aborted, what has begun is finished, and then the signal's reason thrown.
 */
export async function* pipelined<In, Out>(
  stream: AsyncIterable<In>,
  window: number,
  handle: (item: In) => Promise<Out>,
  stop: AbortSignal,
): AsyncGenerator<Out> {
  const iterator = stream[Symbol.asyncIterator]();
  const pending: Promise<Out>[] = [];
  const changed = new Signal();
  let reading = !stop.aborted;

  const read = async (): Promise<void> => {
    while (reading) {
      const next = await iterator.next();
      if (next.done === true) break;
      const result = attempt(handle, next.value, () => {
        reading = false;
      });
      // Whoever takes the result sees its failure.
      result.catch(ignore);
      pending.push(result);
      changed.raise();
      while (reading && pending.length >= window) await changed.wait();
    }
  };

  const onStop = (): void => {
    reading = false;
    changed.raise();
  };
  stop.addEventListener("abort", onStop);

  let failure: { readonly cause: unknown } | undefined;
  read()
    .catch((cause: unknown) => {
      failure = { cause };
    })
    .finally(() => {
      reading = false;
      changed.raise();
    })
    .catch(ignore);

  try {
    while (reading || pending.length > 0) {
      const [first] = pending;
      if (first === undefined) {
        await changed.wait();
        continue;
      }
      const result = await first;
      pending.shift();
      changed.raise();
      yield result;
    }
    if (failure !== undefined) throw failure.cause;
    stop.throwIfAborted();
  } finally {
    stop.removeEventListener("abort", onStop);
    reading = false;
    changed.raise();
    // Not waited for: a stream that is being read gives way only when its next item comes.
    iterator.return?.().catch(ignore);
  }
}

function attempt<In, Out>(handle: (item: In) => Promise<Out>, item: In, onThrown: () => void): Promise<Out> {
  try {
    return handle(item);
  } catch (cause) {
    onThrown();
    return Promise.reject(cause);
  }
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

function ignore(): void {}
