import { type FileHandle, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { types } from "node:util";
import { batchLine, headerLine, type Recorded, readRecords } from "./records.js";
import type { Edit } from "./table.js";

const FILE = "entries.log";
const FRESH_FILE = "entries.log.new";
/** Only who runs the node: there are secrets in it. */
const MODE = 0o600;

/** Entries of one line when the file is written anew: lines of some hundred kilobytes at most. */
const LINE_OF_REWRITE = 100;

/** A file that only grows is written anew when it is twice as long as it was then, and this many bytes. */
const LEAST_GROWTH = 1 << 20;

/**
 * A file to which every batch of edits is appended. What append and rewrite have resolved for is on the disk. When
 * either fails, the entries on the disk are those before it, or, where the disk does not even take that back, the
 * journal is no longer sound and takes nothing until it has been rewritten.
 */
export class Journal {
  readonly #folder: string;
  #handle: FileHandle;
  #length: number;
  #lengthWhenNew = 0;
  #sound = true;

  private constructor(folder: string, handle: FileHandle, length: number) {
    this.#folder = folder;
    this.#handle = handle;
    this.#length = length;
  }

  /**
   * Opens the folder's journal, or begins one.
   * @returns it, what is recorded in it, and whether an incomplete line had to be dropped
   * @throws CarillonError failed_precondition when it is damaged, or what the file system throws
   */
  static async open(folder: string): Promise<{ journal: Journal; recorded: Recorded; torn: boolean }> {
    const path = join(folder, FILE);
    await rm(join(folder, FRESH_FILE), { force: true });
    const content = await contentOf(path);
    if (content === undefined) {
      const { handle, length } = await writeFresh(folder, [], 0);
      const journal = new Journal(folder, handle, length);
      await journal.#install();
      return { journal, recorded: NOTHING, torn: false };
    }
    const recorded = readRecords(content, path);
    const handle = await open(path, "r+");
    try {
      await handle.chmod(MODE);
      const torn = recorded.length < content.length;
      if (torn) await handle.truncate(recorded.length);
      // What was read may have been written by a process that was killed before it had synced, and counts from now on.
      await handle.sync();
      return { journal: new Journal(folder, handle, recorded.length), recorded, torn };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** False: it must be rewritten before anything can be appended. */
  get sound(): boolean {
    return this.#sound;
  }

  /** Most of it is of no use any more. */
  get overgrown(): boolean {
    return this.#length > 2 * this.#lengthWhenNew + LEAST_GROWTH;
  }

  /** @throws what the file system throws */
  async append(edits: readonly Edit[]): Promise<void> {
    const line = batchLine(edits);
    // Until it is known to be otherwise. After a failed sync nobody knows what is on the disk, and a second one may
    // succeed without having written anything.
    this.#sound = false;
    try {
      await writeAt(this.#handle, line, this.#length);
    } catch (error) {
      await this.#takeBack();
      throw error;
    }
    try {
      await this.#handle.datasync();
    } catch (error) {
      await this.#handle.truncate(this.#length).catch(ignore);
      throw error;
    }
    this.#length += line.length;
    this.#sound = true;
  }

  /**
   * Replaces the file by one that has just these.
   * @throws what the file system throws
   */
  async rewrite(edits: Iterable<Edit>, revision: number): Promise<void> {
    const { handle, length } = await writeFresh(this.#folder, edits, revision);
    await this.#handle.close().catch(ignore);
    this.#handle = handle;
    this.#length = length;
    await this.#install();
  }

  /** Puts the fresh file in the place of the real one: whoever looks finds the old one or the new one. */
  async #install(): Promise<void> {
    // When this fails, the one or the other is there.
    this.#sound = false;
    await rename(join(this.#folder, FRESH_FILE), join(this.#folder, FILE));
    await syncFolder(this.#folder);
    this.#lengthWhenNew = this.#length;
    this.#sound = true;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  /** What a write that failed has left must not be there at the next start. */
  async #takeBack(): Promise<void> {
    try {
      await this.#handle.truncate(this.#length);
      this.#sound = true;
    } catch {
      // Not sound.
    }
  }
}

const NOTHING: Recorded = { edits: [], revision: 0, length: 0 };

/** Writes a whole file beside the real one; nothing of it is left when that fails. */
async function writeFresh(
  folder: string,
  edits: Iterable<Edit>,
  revision: number,
): Promise<{ handle: FileHandle; length: number }> {
  const fresh = join(folder, FRESH_FILE);
  const handle = await open(fresh, "w", MODE);
  try {
    let length = 0;
    for (const line of linesOf(edits, revision)) {
      await writeAt(handle, line, length);
      length += line.length;
    }
    await handle.sync();
    return { handle, length };
  } catch (error) {
    await handle.close();
    await rm(fresh, { force: true }).catch(ignore);
    throw error;
  }
}

function* linesOf(edits: Iterable<Edit>, revision: number): Iterable<Buffer> {
  yield headerLine(revision);
  let batch: Edit[] = [];
  for (const edit of edits) {
    batch.push(edit);
    if (batch.length < LINE_OF_REWRITE) continue;
    yield batchLine(batch);
    batch = [];
  }
  if (batch.length > 0) yield batchLine(batch);
}

/** The system may take a part only, as before a disk is full. */
async function writeAt(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Without this a new name may be gone after a power failure. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function contentOf(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (types.isNativeError(error) && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function ignore(): void {}
