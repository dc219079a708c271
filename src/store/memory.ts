import type { Clock } from "../core/ports.js";
import { Table } from "./table.js";
import { TableStore } from "./table-store.js";
import { WriteBatch } from "./write-batch.js";

export interface MemoryStoreOptions {
  readonly clock: Clock;
  /** Told of faults of those who watch. */
  readonly onError: (message: string) => void;
}

/** Entries that end with the process. */
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

  protected override async write<T>(decide: (draft: WriteBatch) => T): Promise<T> {
    const draft = new WriteBatch(this.table);
    const result = decide(draft);
    this.table.apply(draft.edits);
    return result;
  }
}
