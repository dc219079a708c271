import { type FileHandle, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { ignore } from "../util/ignore.js";
import { errorCode } from "../util/native-error.js";
import { computeMarkPosition, createMarkLine, MARK_AREA } from "./mark.js";
import { createBatchLine, createHeaderLine, readRecords } from "./records.js";
import type { Edit } from "./table.js";

const FILE = "entries.log";
const FRESH_FILE = "entries.log.new";
/** Readable by the node's user only, because the file holds secrets. */
const MODE = 0o600;

/** Number of entries in one line of a rewritten file; keeps lines to some hundred kilobytes. */
const ENTRIES_PER_LINE = 100;

/** Number of bytes by which a file must exceed twice the length of its last rewrite before it is rewritten. */
const MIN_GROWTH = 1 << 20;

/** An open file and the position of its end. */
interface JournalFile {
  readonly handle: FileHandle;
  /** Number of bytes in the first line; the marks follow it. */
  readonly marksAt: number;
  /** Check of the first line. */
  readonly headerCheck: string;
  /** Number of bytes up to the end of the last line. */
  readonly length: number;
  /** Check of the last line. */
  readonly check: string;
}

interface OpenedJournal {
  readonly journal: Journal;
  readonly edits: readonly Edit[];
  readonly revision: number;
  /** Descriptions of the repairs, for the log, as predicates of "the store in <folder>". */
  readonly repairs: readonly string[];
}

/**
 * A file to which every batch of edits is appended. Edits are on the disk when `append` or `rewrite` resolves. When
 * either fails, the disk holds the entries from before the call. When the disk does not even allow the file to be
 * truncated, the journal is no longer sound, and must be rewritten before the next append.
 */
export class Journal {
  readonly #folder: string;
  #file: JournalFile;
  /** Number of bytes that the newest mark covers, and the slot of that mark. */
  #marked: number;
  #slot: number;
  #rewrittenLength = 0;
  #isAppendable = true;

  private constructor(folder: string, file: JournalFile, marked: number, slot: number) {
    this.#folder = folder;
    this.#file = file;
    this.#marked = marked;
    this.#slot = slot;
  }

  /**
   * Opens the folder's journal, or creates one.
   * @returns the journal, its entries, and the repairs made to it
   * @throws CarillonError failed_precondition when the file is damaged; errors of the file system
   */
  static async open(folder: string): Promise<OpenedJournal> {
    const path = join(folder, FILE);
    await rm(join(folder, FRESH_FILE), { force: true });
    const content = await readIfPresent(path);
    if (content === undefined) {
      const file = await writeFresh(folder, [], 0);
      const journal = new Journal(folder, file, file.length, 0);
      await journal.#install();
      return { journal, edits: [], revision: 0, repairs: [] };
    }
    const { edits, mark, revision, ...rest } = readRecords(content, path);
    const handle = await open(path, "r+");
    try {
      await handle.chmod(MODE);
      const repairs: string[] = [];
      if (rest.length < content.length) {
        await handle.truncate(rest.length);
        repairs.push("ended with an incomplete line, as after a crash: no acknowledged write is lost");
      }
      // The content may come from a process that was killed before its sync, and is acknowledged from now on.
      await handle.sync();
      const journal = new Journal(folder, { ...rest, handle }, mark.otherIsBad ? 0 : mark.length, mark.slot);
      if (mark.otherIsBad) repairs.push("had an invalid mark: no acknowledged write is lost, but check the disk");
      await journal.mark();
      return { journal, edits, revision, repairs };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** False when the journal must be rewritten before the next append. */
  get isAppendable(): boolean {
    return this.#isAppendable;
  }

  /** True when most of the file consists of outdated entries. */
  get isMostlyOutdated(): boolean {
    return this.#file.length > 2 * this.#rewrittenLength + MIN_GROWTH;
  }

  /** @throws errors of the file system */
  async append(edits: readonly Edit[]): Promise<void> {
    const { check, handle, length } = this.#file;
    const line = createBatchLine(edits, check);
    // Not sound until the sync succeeds. After a failed sync the content of the disk is unknown, and a second sync may
    // succeed without writing anything.
    this.#isAppendable = false;
    try {
      // The mark covers earlier lines, which are on the disk already, so the order of writes within the sync is irrelevant.
      await this.#writeMark();
      await writeAt(handle, line.bytes, length);
    } catch (error) {
      await this.#undoAppend();
      throw error;
    }
    try {
      await handle.datasync();
    } catch (error) {
      await handle.truncate(length).catch(ignore);
      throw error;
    }
    this.#file = { ...this.#file, check: line.check, length: length + line.bytes.length };
    this.#isAppendable = true;
  }

  /**
   * Writes a mark for the file's current length, unless the newest mark covers it. Truncation is detected from then on.
   * @throws errors of the file system
   */
  async mark(): Promise<void> {
    if (this.#marked === this.#file.length || !this.#isAppendable) return;
    this.#isAppendable = false;
    await this.#writeMark();
    await this.#file.handle.datasync();
    this.#isAppendable = true;
  }

  async #writeMark(): Promise<void> {
    const { check, handle, headerCheck, length, marksAt } = this.#file;
    if (this.#marked === length) return;
    const slot = 1 - this.#slot;
    await writeAt(handle, createMarkLine(length, check, headerCheck), computeMarkPosition(marksAt, slot));
    this.#slot = slot;
    this.#marked = length;
  }

  /**
   * Replaces the file with one that holds only these entries.
   * @throws errors of the file system
   */
  async rewrite(edits: Iterable<Edit>, revision: number): Promise<void> {
    const file = await writeFresh(this.#folder, edits, revision);
    await this.#file.handle.close().catch(ignore);
    this.#file = file;
    this.#marked = file.length;
    await this.#install();
  }

  /** Renames the fresh file over the real one, atomically. */
  async #install(): Promise<void> {
    // When the rename fails, either file may be in place.
    this.#isAppendable = false;
    await rename(join(this.#folder, FRESH_FILE), join(this.#folder, FILE));
    await syncFolder(this.#folder);
    this.#rewrittenLength = this.#file.length;
    this.#isAppendable = true;
  }

  /** Writes a mark if one is missing and the disk allows it, then closes the file. */
  async close(): Promise<void> {
    await this.mark().catch(ignore);
    await this.#file.handle.close();
  }

  /** Truncates the file to remove the remains of a failed write. */
  async #undoAppend(): Promise<void> {
    try {
      await this.#file.handle.truncate(this.#file.length);
      this.#isAppendable = true;
    } catch {
      // The journal stays unsound.
    }
  }
}

/** Writes a complete file beside the real one, and removes it on failure. */
async function writeFresh(folder: string, edits: Iterable<Edit>, revision: number): Promise<JournalFile> {
  const fresh = join(folder, FRESH_FILE);
  const handle = await open(fresh, "w", MODE);
  try {
    const header = createHeaderLine(revision);
    await writeAt(handle, header.bytes, 0);
    const marksAt = header.bytes.length;
    let length = marksAt + MARK_AREA;
    let { check } = header;
    for (const batch of splitIntoBatches(edits)) {
      const line = createBatchLine(batch, check);
      await writeAt(handle, line.bytes, length);
      length += line.bytes.length;
      check = line.check;
    }
    const mark = createMarkLine(length, check, header.check);
    for (const slot of [0, 1]) await writeAt(handle, mark, computeMarkPosition(marksAt, slot));
    await handle.sync();
    return { handle, marksAt, headerCheck: header.check, length, check };
  } catch (error) {
    await handle.close();
    await rm(fresh, { force: true }).catch(ignore);
    throw error;
  }
}

function* splitIntoBatches(edits: Iterable<Edit>): Iterable<readonly Edit[]> {
  let batch: Edit[] = [];
  for (const edit of edits) {
    batch.push(edit);
    if (batch.length < ENTRIES_PER_LINE) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Writes all bytes. A single system call may write only some of them, for example on a nearly full disk. */
async function writeAt(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Syncs a folder, because otherwise a rename may be lost in a power failure. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readIfPresent(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
