import { errorText } from "../util/native-error.js";
import type { StoreChange } from "./store.js";

type OnChange = (change: StoreChange) => void;

/** Wraps a watcher so that its exceptions go to `onError` and affect neither the store nor other watchers. */
export function guardWatcher(onChange: OnChange, onError: (message: string) => void): OnChange {
  return (change) => {
    try {
      onChange(change);
    } catch (cause) {
      onError(`watcher failed on a change of store entry ${change.key}: ${errorText(cause)}`);
    }
  };
}

/** The watchers of this process. */
export class Watchers {
  readonly #all = new Set<{ readonly prefix: string; readonly onChange: OnChange }>();

  /** @returns a function that removes the watcher */
  add(prefix: string, onChange: OnChange): () => void {
    const watcher = { prefix, onChange };
    this.#all.add(watcher);
    return () => {
      this.#all.delete(watcher);
    };
  }

  notify(change: StoreChange): void {
    // A watcher that another one removes is no longer called, because a Set's iterator sees deletions.
    for (const { onChange, prefix } of this.#all) if (change.key.startsWith(prefix)) onChange(change);
  }

  clear(): void {
    this.#all.clear();
  }
}
