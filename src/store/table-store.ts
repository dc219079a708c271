import { CarillonError } from "../errors.js";
import { checkKey, checkPrefix, checkValue } from "./limits.js";
import type { Store, StoreChange, StoreEntry, WriteOptions } from "./store.js";
import type { Table } from "./table.js";
import type { WriteBatch } from "./write-batch.js";

/** Base of the stores that keep their entries in this process. They differ in when a write takes effect. */
export abstract class TableStore implements Store {
  readonly shared = false;
  protected readonly table: Table;

  constructor(table: Table) {
    this.table = table;
  }

  abstract get up(): boolean;
  abstract start(): Promise<void>;
  abstract stop(): Promise<void>;

  /** Reason for which the store cannot be read; undefined while it can be. */
  protected abstract get closed(): string | undefined;
  /** Decides a write, persists it, and makes it visible. */
  protected abstract write<T>(decide: (batch: WriteBatch) => T): Promise<T>;

  async get(key: string): Promise<StoreEntry | undefined> {
    checkKey(key);
    this.#checkOpen();
    return this.table.get(key);
  }

  async list(prefix: string): Promise<readonly StoreEntry[]> {
    checkPrefix(prefix);
    this.#checkOpen();
    return this.table.list(prefix);
  }

  async create(key: string, value: string, options?: WriteOptions): Promise<number> {
    checkKey(key);
    checkValue(key, value);
    this.#checkOpen();
    return this.write((batch) => batch.create(key, value, options));
  }

  async update(key: string, value: string, revision: number, options?: WriteOptions): Promise<number> {
    checkKey(key);
    checkValue(key, value);
    this.#checkOpen();
    return this.write((batch) => batch.update(key, value, revision, options));
  }

  async delete(key: string, revision?: number): Promise<void> {
    checkKey(key);
    this.#checkOpen();
    await this.write((batch) => {
      batch.delete(key, revision);
    });
  }

  async watch(prefix: string, onChange: (change: StoreChange) => void): Promise<() => void> {
    checkPrefix(prefix);
    this.#checkOpen();
    return this.table.watch(prefix, onChange);
  }

  #checkOpen(): void {
    if (this.closed !== undefined) throw new CarillonError("unavailable", this.closed);
  }
}
