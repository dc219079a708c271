import type { Clock } from "../core/ports.js";
import { StoreExpiries } from "./expiries.js";
import type { StoreChange, StoreEntry } from "./store.js";
import { guardWatcher, Watchers } from "./watchers.js";

/** A change of one entry. */
export interface Edit {
  readonly key: string;
  /** The new value; undefined when the entry is removed. */
  readonly value: string | undefined;
  readonly revision: number;
  /** In milliseconds since the epoch; undefined: never. */
  readonly expires: number | undefined;
}

interface TableEntry extends StoreEntry {
  readonly expires: number | undefined;
}

/** The entries that one process holds, and their watchers. Changes are decided in a `WriteBatch`. */
export class Table {
  readonly #clock: Clock;
  readonly #onError: (message: string) => void;
  readonly #entries = new Map<string, TableEntry>();
  readonly #watchers = new Watchers();
  readonly #expiries: StoreExpiries;
  #revision = 0;

  constructor(clock: Clock, onError: (message: string) => void) {
    this.#clock = clock;
    this.#onError = onError;
    this.#expiries = new StoreExpiries(clock, (key) => {
      if (this.#entries.delete(key)) this.#watchers.notify({ key, value: undefined });
    });
  }

  /** Revision of the latest change. All entries share one count, so a recreated entry gets a greater revision. */
  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): StoreEntry | undefined {
    const entry = this.#entries.get(key);
    return entry === undefined || this.#hasExpired(entry) ? undefined : toStoreEntry(entry);
  }

  list(prefix: string): StoreEntry[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.key.startsWith(prefix) && !this.#hasExpired(entry))
      .map(toStoreEntry)
      .toSorted(compareKeys);
  }

  /** Returns all entries as the edits that create them. */
  *edits(): Iterable<Edit> {
    for (const entry of this.#entries.values()) if (!this.#hasExpired(entry)) yield entry;
  }

  /**
   * Loads entries into an empty table.
   * @param revision - lower bound of the latest revision, which a removed entry may have had
   */
  load(edits: Iterable<Edit>, revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
    for (const edit of edits) this.#apply(edit);
    for (const entry of this.#entries.values()) if (this.#hasExpired(entry)) this.#remove(entry.key);
  }

  apply(edits: Iterable<Edit>): void {
    for (const edit of edits) {
      this.#apply(edit);
      this.#watchers.notify({ key: edit.key, value: edit.value });
    }
  }

  watch(prefix: string, onChange: (change: StoreChange) => void): () => void {
    const notify = guardWatcher(onChange, this.#onError);
    for (const { key, value } of this.list(prefix)) notify({ key, value });
    return this.#watchers.add(prefix, notify);
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
      this.#remove(key);
    } else {
      this.#entries.set(key, { key, value, revision, expires });
      this.#expiries.set(key, expires);
    }
  }

  #remove(key: string): void {
    this.#entries.delete(key);
    this.#expiries.set(key, undefined);
  }

  #hasExpired({ expires }: TableEntry): boolean {
    return expires !== undefined && expires <= this.#clock.now();
  }
}

function toStoreEntry({ key, revision, value }: StoreEntry): StoreEntry {
  return { key, value, revision };
}

/** Compares entries by key, in UTF-16 code units; keys are ASCII. */
export function compareKeys(one: StoreEntry, other: StoreEntry): number {
  return one.key < other.key ? -1 : Number(one.key > other.key);
}
