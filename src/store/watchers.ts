import { errorText } from "../util/native-error.js";
import type { StoreChange } from "./store.js";

type OnChange = (change: StoreChange) => void;

/** Calls a listener so that its faults are its own: they are told, and harm neither the store nor other listeners. */
export function guarded(onChange: OnChange, onError: (message: string) => void): OnChange {
  return (change) => {
    try {
      onChange(change);
    } catch (fault) {
      onError(`telling of the change of store entry ${change.key} failed: ${errorText(fault)}`);
    }
  };
}

/** Who wants to know of changes in this process. */
export class Watchers {
  readonly #all = new Set<{ readonly prefix: string; readonly onChange: OnChange }>();

  /** @returns ends it */
  add(prefix: string, onChange: OnChange): () => void {
    const watcher = { prefix, onChange };
    this.#all.add(watcher);
    return () => {
      this.#all.delete(watcher);
    };
  }

  tell(change: StoreChange): void {
    // One that is ended by another's word is not called any more: a Set's iterator sees deletions.
    for (const { onChange, prefix } of this.#all) if (change.key.startsWith(prefix)) onChange(change);
  }

  clear(): void {
    this.#all.clear();
  }
}
