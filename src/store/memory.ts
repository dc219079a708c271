import type { Clock } from "../core/ports.js";
import { Table } from "./table.js";
import { TableStore } from "./table-store.js";
import { WriteBatch } from "./write-batch.js";

export interface MemoryStoreOptions {
  readonly clock: Clock;
  /** Called when a watcher throws. */
  readonly onError: (message: string) => void;
}

/** Store whose entries are lost when the process ends. */
export class MemoryStore extends TableStore {
  #up = true;

  constructor({ clock, onError }: MemoryStoreOptions) {
    super(new Table(clock, onError));
  }

  override get up(): boolean {
    return this.#up;
  }

  override start(): Promise<void> {
    return Promise.resolve();
  }

  override stop(): Promise<void> {
    this.#up = false;
    this.table.stop();
    return Promise.resolve();
  }

  protected override get closed(): string | undefined {
    return this.#up ? undefined : "the store has stopped";
  }

  protected override async write<T>(decide: (batch: WriteBatch) => T): Promise<T> {
    const batch = new WriteBatch(this.table);
    const result = decide(batch);
    this.table.apply(batch.edits);
    return result;
  }
}
