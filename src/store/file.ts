import { mkdir } from "node:fs/promises";
import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import { errorText } from "../util/native-error.js";
import { withResolvers } from "../util/with-resolvers.js";
import { Journal } from "./journal.js";
import { FolderLock } from "./lock.js";
import { Table } from "./table.js";
import { TableStore } from "./table-store.js";
import { WriteBatch } from "./write-batch.js";

/** Time between two attempts to write to a failing disk, in milliseconds. */
const RETRY_WAIT = 1_000;

export interface FileStoreOptions {
  /**
   * Created when it is missing. Used by one process at a time. Must not be on a network file system, because locks
   * do not work there.
   */
  readonly folder: string;
  readonly clock: Clock;
  /** Called when writes become possible: at the start and after each failure. */
  readonly onUp: () => void;
  /** Called once for each period in which writes fail. Entries can still be read. */
  readonly onDown: (reason: string) => void;
  /** Called for errors that the store survives. */
  readonly onError: (message: string) => void;
}

interface PendingWrite {
  readonly decide: (batch: WriteBatch) => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (cause: unknown) => void;
}

/**
 * Store in a file of this node. An acknowledged write is on the disk, so it survives any crash. Writes that arrive while
 * the disk is busy share the next sync. Readers and watchers see a write only after it is on the disk.
 */
export class FileStore extends TableStore {
  readonly #options: FileStoreOptions;
  #pending: PendingWrite[] = [];
  #lock: FolderLock | undefined;
  #journal: Journal | undefined;
  #committing: Promise<void> | undefined;
  #cancelRetry: (() => void) | undefined;
  #up = false;
  #stopped: Promise<void> | undefined;

  constructor(options: FileStoreOptions) {
    super(new Table(options.clock, options.onError));
    this.#options = options;
  }

  override get up(): boolean {
    return this.#up;
  }

  override async start(): Promise<void> {
    const { folder, onError, onUp } = this.#options;
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      this.#lock = await FolderLock.take(folder);
      const { edits, journal, repairs, revision } = await Journal.open(folder);
      this.#journal = journal;
      for (const repair of repairs) onError(`the store in ${folder} ${repair}`);
      this.table.load(edits, revision);
    } catch (cause) {
      await this.#lock?.release();
      this.#lock = undefined;
      if (cause instanceof CarillonError) throw cause;
      throw new CarillonError("failed_precondition", `the store cannot use ${folder}: ${errorText(cause)}`, { cause });
    }
    this.#up = true;
    onUp();
  }

  override stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#up = false;
    this.#cancelRetry?.();
    while (this.#committing !== undefined) await this.#committing;
    await this.#journal?.close();
    await this.#lock?.release();
    this.table.stop();
  }

  protected override get closed(): string | undefined {
    if (this.#stopped !== undefined) return "the store has stopped";
    return this.#journal === undefined ? "the store has not started" : undefined;
  }

  protected override write<T>(decide: (batch: WriteBatch) => T): Promise<T> {
    const { promise, reject, resolve } = withResolvers<T>();
    this.#pending.push({ decide, resolve: resolve as (result: unknown) => void, reject });
    this.#runExclusively(() => this.#commitAll());
    return promise;
  }

  /** Starts work on the journal unless other work is in progress. */
  #runExclusively(work: () => Promise<void>): void {
    this.#committing ??= work().finally(() => {
      this.#committing = undefined;
      if (this.#pending.length > 0) this.#runExclusively(() => this.#commitAll());
    });
  }

  async #commitAll(): Promise<void> {
    // Lets further writes of this turn of the event loop join the batch.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const writes = this.#pending;
      this.#pending = [];
      const batch = new WriteBatch(this.table);
      // Rejected writes also wait for the sync, because an earlier write of the batch may be the reason for the rejection.
      const settlers = writes.map((write) => decideWrite(write, batch));
      try {
        await this.#record(batch);
      } catch (cause) {
        const text = `the store cannot write to ${this.#options.folder}: ${errorText(cause)}`;
        this.#becomeDown(text);
        for (const { reject } of writes) reject(new CarillonError("unavailable", text, { cause }));
        continue;
      }
      this.table.apply(batch.edits);
      for (const settle of settlers) settle();
      if (this.#journal?.isMostlyOutdated === true) await this.#rewrite().catch(this.#onUpkeepFailed);
    }
    // Callers have their answers and do not wait for the mark. Under load the next batch carries it.
    await this.#journal?.mark().catch(this.#onUpkeepFailed);
  }

  async #record(batch: WriteBatch): Promise<void> {
    const journal = this.#journal;
    if (journal === undefined || batch.edits.length === 0) return;
    if (!journal.isAppendable) await this.#rewrite();
    await journal.append(batch.edits);
    this.#becomeUp();
  }

  async #rewrite(): Promise<void> {
    await this.#journal?.rewrite(this.table.edits(), this.table.revision);
  }

  /** A failed rewrite leaves the file longer than necessary. If the journal is no longer sound, the next write fails. */
  readonly #onUpkeepFailed = (cause: unknown): void => {
    this.#options.onError(`the store cannot compact ${this.#options.folder}: ${errorText(cause)}`);
  };

  #becomeUp(): void {
    if (this.#up || this.#stopped !== undefined) return;
    this.#up = true;
    this.#cancelRetry?.();
    this.#options.onUp();
  }

  #becomeDown(reason: string): void {
    if (this.#stopped !== undefined) return;
    const wasUp = this.#up;
    this.#up = false;
    if (wasUp) this.#options.onDown(reason);
    this.#cancelRetry?.();
    this.#cancelRetry = this.#options.clock.after(RETRY_WAIT, this.#retry);
  }

  /** Rewrites the file, which tests whether the disk has space, and replaces a file in an unknown state. */
  readonly #retry = (): void => {
    this.#runExclusively(async () => {
      try {
        await this.#rewrite();
        this.#becomeUp();
      } catch (cause) {
        this.#becomeDown(errorText(cause));
      }
    });
  };
}

/** Decides one write, and returns a function that settles its promise with the outcome. */
function decideWrite({ decide, reject, resolve }: PendingWrite, batch: WriteBatch): () => void {
  try {
    const result = decide(batch);
    return () => {
      resolve(result);
    };
  } catch (cause) {
    return () => {
      reject(cause);
    };
  }
}
