import type { Clock } from "../core/ports.js";
import { StoreExpiries } from "./expiries.js";
import type { StoreChange, StoreEntry } from "./store.js";
import { guarded, Watchers } from "./watchers.js";

/** What becomes of one entry; no value: it is gone. */
export interface Edit {
  readonly key: string;
  readonly value: string | undefined;
  readonly revision: number;
  /** In milliseconds since the epoch; undefined: never. */
  readonly expires: number | undefined;
}

interface Held extends StoreEntry {
  readonly expires: number | undefined;
}

/** The entries of a store that one process holds, and who watches them. What is changed is decided in a {@link Draft}. */
export class Table {
  readonly #clock: Clock;
  readonly #onError: (message: string) => void;
  readonly #entries = new Map<string, Held>();
  readonly #watchers = new Watchers();
  readonly #expiries: StoreExpiries;
  #revision = 0;

  constructor(clock: Clock, onError: (message: string) => void) {
    this.#clock = clock;
    this.#onError = onError;
    this.#expiries = new StoreExpiries(clock, (key) => {
      if (this.#entries.delete(key)) this.#watchers.tell({ key, value: undefined });
    });
  }

  /** That of the latest change. One count for all entries: an entry that is made anew goes on from what it was. */
  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): StoreEntry | undefined {
    const held = this.#entries.get(key);
    return held === undefined || this.#hasExpired(held) ? undefined : entryOf(held);
  }

  list(prefix: string): StoreEntry[] {
    return [...this.#entries.values()]
      .filter((held) => held.key.startsWith(prefix) && !this.#hasExpired(held))
      .map(entryOf)
      .toSorted(byKey);
  }

  /** Everything that there is, as edits that make it. */
  *edits(): Iterable<Edit> {
    for (const held of this.#entries.values()) if (!this.#hasExpired(held)) yield held;
  }

  /** @param revision - at least so much has been counted, also where the entries do not show it any more */
  load(edits: Iterable<Edit>, revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
    for (const edit of edits) this.#apply(edit);
    for (const held of this.#entries.values()) if (this.#hasExpired(held)) this.#forget(held.key);
  }

  apply(edits: Iterable<Edit>): void {
    for (const edit of edits) {
      this.#apply(edit);
      this.#watchers.tell({ key: edit.key, value: edit.value });
    }
  }

  watch(prefix: string, onChange: (change: StoreChange) => void): () => void {
    const tell = guarded(onChange, this.#onError);
    for (const { key, value } of this.list(prefix)) tell({ key, value });
    return this.#watchers.add(prefix, tell);
  }

  stop(): void {
    this.#expiries.clear();
    this.#watchers.clear();
    this.#entries.clear();
  }

  #apply(edit: Edit): void {
    const { expires, key, revision, value } = edit;
    this.#revision = Math.max(this.#revision, revision);
    if (value === undefined) {
      this.#forget(key);
    } else {
      this.#entries.set(key, { key, value, revision, expires });
      this.#expiries.set(key, expires);
    }
  }

  #forget(key: string): void {
    this.#entries.delete(key);
    this.#expiries.set(key, undefined);
  }

  #hasExpired({ expires }: Held): boolean {
    return expires !== undefined && expires <= this.#clock.now();
  }
}

function entryOf({ key, revision, value }: StoreEntry): StoreEntry {
  return { key, value, revision };
}

/** By UTF-16 code units; keys are ASCII. */
export function byKey(one: StoreEntry, other: StoreEntry): number {
  return one.key < other.key ? -1 : Number(one.key > other.key);
}
