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

/** Time between two attempts to write to a disk that takes nothing, in milliseconds. */
const RETRY_WAIT = 1_000;

export interface FileStoreOptions {
  /** Made where it is missing. No other process may use it meanwhile; a network's file system does not do. */
  readonly folder: string;
  readonly clock: Clock;
  /** The disk takes writes, at the start or again. */
  readonly onUp: () => void;
  /** It does not. What there is can be read. Told once for each time. */
  readonly onDown: (reason: string) => void;
  /** Told of faults that end nothing. */
  readonly onError: (message: string) => void;
}

interface Waiting {
  readonly decide: (draft: WriteBatch) => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (cause: unknown) => void;
}

/**
 * Entries in a file of this node. What has been answered is on the disk, whatever ends the process and whenever. Writes
 * that come while the disk is busy share its next turn. Nothing shows before it is on the disk.
 */
export class FileStore extends TableStore {
  readonly #options: FileStoreOptions;
  #waiting: Waiting[] = [];
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
      const { edits, journal, mended, revision } = await Journal.open(folder);
      this.#journal = journal;
      for (const what of mended) onError(`the store in ${folder} ${what}`);
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

  protected override write<T>(decide: (draft: WriteBatch) => T): Promise<T> {
    const { promise, reject, resolve } = withResolvers<T>();
    this.#waiting.push({ decide, resolve: resolve as (result: unknown) => void, reject });
    this.#occupy(() => this.#commitAll());
    return promise;
  }

  /** One at a time has the journal. */
  #occupy(work: () => Promise<void>): void {
    this.#committing ??= work().finally(() => {
      this.#committing = undefined;
      if (this.#waiting.length > 0) this.#occupy(() => this.#commitAll());
    });
  }

  async #commitAll(): Promise<void> {
    // Whoever writes in this turn of the event loop comes along.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      const draft = new WriteBatch(this.table);
      // Each is told when the disk has the batch, also what failed: it may have failed because of another one in it.
      const tells = batch.map((waiting) => decided(waiting, draft));
      try {
        await this.#record(draft);
      } catch (cause) {
        const text = `the store cannot write to ${this.#options.folder}: ${errorText(cause)}`;
        this.#becomeDown(text);
        for (const { reject } of batch) reject(new CarillonError("unavailable", text, { cause }));
        continue;
      }
      this.table.apply(draft.edits);
      for (const tell of tells) tell();
      if (this.#journal?.overgrown === true) await this.#rewrite().catch(this.#onUpkeepFailed);
    }
    // The answers are out, and need not wait for it; under load the next batch carries the mark.
    await this.#journal?.mark().catch(this.#onUpkeepFailed);
  }

  async #record(draft: WriteBatch): Promise<void> {
    const journal = this.#journal;
    if (journal === undefined || draft.edits.length === 0) return;
    if (!journal.sound) await this.#rewrite();
    await journal.append(draft.edits);
    this.#becomeUp();
  }

  async #rewrite(): Promise<void> {
    await this.#journal?.rewrite(this.table.edits(), this.table.revision);
  }

  /** It is only longer than it need be, unless it is not sound any more: that shows at the next write. */
  readonly #onUpkeepFailed = (cause: unknown): void => {
    this.#options.onError(`the store cannot tidy ${this.#options.folder}: ${errorText(cause)}`);
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

  /** Writes the file anew where nobody else tries to write: that shows whether there is space, and mends what may be bad. */
  readonly #retry = (): void => {
    this.#occupy(async () => {
      try {
        await this.#rewrite();
        this.#becomeUp();
      } catch (cause) {
        this.#becomeDown(errorText(cause));
      }
    });
  };
}

/** Decides one write, and returns what tells its outcome. */
function decided({ decide, reject, resolve }: Waiting, draft: WriteBatch): () => void {
  try {
    const result = decide(draft);
    return () => {
      resolve(result);
    };
  } catch (fault) {
    return () => {
      reject(fault);
    };
  }
}
