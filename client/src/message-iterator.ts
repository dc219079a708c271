export interface MessageIterator<V> extends AsyncIterableIterator<V> {
  push(value: V): void;
  /** Ends the iteration after the waiting values. @param error - is thrown then */
  end(error?: Error): void;
}

/**
 * Creates an iterator of pushed values.
 * @param limit - maximum number of values that wait to be read; beyond it the oldest are dropped, and counted in the next value
 */
export function createMessageIterator<V extends { readonly missed: number }>(
  limit: number,
  onEnd: () => void,
): MessageIterator<V> {
  let values: V[] = [];
  let dropped = 0;
  let isEnded = false;
  let thrown: Error | undefined;
  let wake: (() => void) | undefined;
  let arrival: Promise<void>;
  const notify = (): void => {
    wake?.();
    arrival = new Promise((resolve) => (wake = resolve));
  };
  const read = async (): Promise<IteratorResult<V>> => {
    const value = values.shift();
    if (value) {
      const missed = value.missed + dropped;
      dropped = 0;
      return { done: false, value: { ...value, missed } };
    }
    if (!isEnded) return arrival.then(read);
    const error = thrown;
    thrown = undefined;
    if (error) throw error;
    return { done: true, value: undefined };
  };
  notify();
  const end = (error?: Error): void => {
    if (isEnded) return;
    isEnded = true;
    thrown = error;
    onEnd();
    notify();
  };
  return {
    push(value) {
      if (values.push(value) > limit) dropped += 1 + (values.shift()?.missed ?? 0);
      notify();
    },
    end,
    next: read,
    return() {
      values = [];
      end();
      return read();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
