type Listener<V> = (value: V) => void;

/** Calls the listeners of named events. A listener that throws does not affect others. */
export interface Emitter<E> {
  /** @returns a function that removes the listener */
  readonly on: <K extends keyof E>(name: K, listener: Listener<E[K]>) => () => void;
  /** @returns whether there was a listener */
  readonly emit: <K extends keyof E>(name: K, value: E[K]) => boolean;
}

/** @param onError - receives what listeners throw */
export function createEmitter<E>(onError: (error: unknown) => void): Emitter<E> {
  const listeners: { [K in keyof E]?: Set<Listener<E[K]>> } = {};
  return {
    on(name, listener) {
      const set = (listeners[name] ??= new Set());
      // One function may be added several times.
      const call: typeof listener = (value) => listener(value);
      set.add(call);
      return () => {
        set.delete(call);
      };
    },
    emit(name, value) {
      const calls = [...(listeners[name] ?? [])];
      for (const call of calls) {
        try {
          call(value);
        } catch (error) {
          onError(error);
        }
      }
      return calls.length > 0;
    },
  };
}
