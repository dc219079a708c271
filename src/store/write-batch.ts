import type { WriteOptions } from "./store.js";
import { alreadyExists, hasChanged } from "./store-errors.js";
import type { Edit, Table } from "./table.js";

/** Writes that have been decided in order but are not yet visible in the table. */
export class WriteBatch {
  readonly #table: Table;
  readonly #edits: Edit[] = [];
  readonly #latest = new Map<string, Edit>();
  #revision: number;

  constructor(table: Table) {
    this.#table = table;
    this.#revision = table.revision;
  }

  get edits(): readonly Edit[] {
    return this.#edits;
  }

  /** @throws CarillonError already_exists */
  create(key: string, value: string, options: WriteOptions = {}): number {
    if (this.#revisionOf(key) !== undefined) throw alreadyExists(key);
    return this.#add(key, value, options);
  }

  /** @throws CarillonError failed_precondition */
  update(key: string, value: string, revision: number, options: WriteOptions = {}): number {
    if (this.#revisionOf(key) !== revision) throw hasChanged(key);
    return this.#add(key, value, options);
  }

  /** @throws CarillonError failed_precondition */
  delete(key: string, revision?: number): void {
    const found = this.#revisionOf(key);
    if (revision !== undefined && found !== revision) throw hasChanged(key);
    if (found !== undefined) this.#add(key, undefined, {});
  }

  /** Returns the entry's current revision within the batch; undefined when there is no entry. */
  #revisionOf(key: string): number | undefined {
    const edit = this.#latest.get(key);
    if (edit === undefined) return this.#table.get(key)?.revision;
    return edit.value === undefined ? undefined : edit.revision;
  }

  #add(key: string, value: string | undefined, { expires }: WriteOptions): number {
    this.#revision += 1;
    const edit = { key, value, revision: this.#revision, expires };
    this.#edits.push(edit);
    this.#latest.set(key, edit);
    return this.#revision;
  }
}
