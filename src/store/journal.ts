import { type FileHandle, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { ignore } from "../util/ignore.js";
import { errorCode } from "../util/native-error.js";
import { MARK_AREA, markLine, markPosition } from "./mark.js";
import { batchLine, headerLine, readRecords } from "./records.js";
import type { Edit } from "./table.js";

const FILE = "entries.log";
const FRESH_FILE = "entries.log.new";
/** Only who runs the node: there are secrets in it. */
const MODE = 0o600;

/** Entries of one line when the file is written anew: lines of some hundred kilobytes at most. */
const LINE_OF_REWRITE = 100;

/** A file that only grows is written anew when it is twice as long as it was then, and this many bytes. */
const LEAST_GROWTH = 1 << 20;

/** An open file, and where it ends. */
interface JournalFile {
  readonly handle: FileHandle;
  /** Bytes of the first line, behind which the marks are. */
  readonly marksAt: number;
  /** Check of the first line. */
  readonly headerCheck: string;
  /** Bytes up to the end of the last line. */
  readonly length: number;
  /** Check of the last line. */
  readonly check: string;
}

interface Opened {
  readonly journal: Journal;
  readonly edits: readonly Edit[];
  readonly revision: number;
  /** Predicates about the file, for the log. */
  readonly mended: readonly string[];
}

/**
 * A file to which every batch of edits is appended. What append and rewrite have resolved for is on the disk. When
 * either fails, the entries on the disk are those before it, or, where the disk does not even take that back, the
 * journal is no longer sound and takes nothing until it has been rewritten.
 */
export class Journal {
  readonly #folder: string;
  #file: JournalFile;
  /** Bytes of the file that its newest mark covers, and that mark's place. */
  #marked: number;
  #slot: number;
  #lengthWhenNew = 0;
  #sound = true;

  private constructor(folder: string, file: JournalFile, marked: number, slot: number) {
    this.#folder = folder;
    this.#file = file;
    this.#marked = marked;
    this.#slot = slot;
  }

  /**
   * Opens the folder's journal, or begins one.
   * @returns it, its entries, and what had to be mended
   * @throws CarillonError failed_precondition when it is damaged, or what the file system throws
   */
  static async open(folder: string): Promise<Opened> {
    const path = join(folder, FILE);
    await rm(join(folder, FRESH_FILE), { force: true });
    const content = await contentOf(path);
    if (content === undefined) {
      const file = await writeFresh(folder, [], 0);
      const journal = new Journal(folder, file, file.length, 0);
      await journal.#install();
      return { journal, edits: [], revision: 0, mended: [] };
    }
    const { edits, mark, revision, ...rest } = readRecords(content, path);
    const handle = await open(path, "r+");
    try {
      await handle.chmod(MODE);
      const mended: string[] = [];
      if (rest.length < content.length) {
        await handle.truncate(rest.length);
        mended.push("ended with an incomplete line, as after a crash: nothing answered is lost");
      }
      // What was read may have been written by a process that was killed before it had synced, and counts from now on.
      await handle.sync();
      const journal = new Journal(folder, { ...rest, handle }, mark.otherIsBad ? 0 : mark.length, mark.slot);
      if (mark.otherIsBad) mended.push("had a mark that did not check: nothing answered is lost, but look at the disk");
      await journal.mark();
      return { journal, edits, revision, mended };
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
    return this.#file.length > 2 * this.#lengthWhenNew + LEAST_GROWTH;
  }

  /** @throws what the file system throws */
  async append(edits: readonly Edit[]): Promise<void> {
    const { check, handle, length } = this.#file;
    const line = batchLine(edits, check);
    // Until it is known to be otherwise. After a failed sync nobody knows what is on the disk, and a second one may
    // succeed without having written anything.
    this.#sound = false;
    try {
      // Covers the lines before this one, which are on the disk already, so the order within the sync does not matter.
      await this.#writeMark();
      await writeAt(handle, line.bytes, length);
    } catch (error) {
      await this.#takeBack();
      throw error;
    }
    try {
      await handle.datasync();
    } catch (error) {
      await handle.truncate(length).catch(ignore);
      throw error;
    }
    this.#file = { ...this.#file, check: line.check, length: length + line.bytes.length };
    this.#sound = true;
  }

  /**
   * Notes in the file how far it goes, if the newest mark does not say it: from then on the loss of its end shows.
   * @throws what the file system throws
   */
  async mark(): Promise<void> {
    if (this.#marked === this.#file.length || !this.#sound) return;
    this.#sound = false;
    await this.#writeMark();
    await this.#file.handle.datasync();
    this.#sound = true;
  }

  async #writeMark(): Promise<void> {
    const { check, handle, headerCheck, length, marksAt } = this.#file;
    if (this.#marked === length) return;
    const slot = 1 - this.#slot;
    await writeAt(handle, markLine(length, check, headerCheck), markPosition(marksAt, slot));
    this.#slot = slot;
    this.#marked = length;
  }

  /**
   * Replaces the file by one that has just these.
   * @throws what the file system throws
   */
  async rewrite(edits: Iterable<Edit>, revision: number): Promise<void> {
    const file = await writeFresh(this.#folder, edits, revision);
    await this.#file.handle.close().catch(ignore);
    this.#file = file;
    this.#marked = file.length;
    await this.#install();
  }

  /** Puts the fresh file in the place of the real one: a reader finds the old one or the new one. */
  async #install(): Promise<void> {
    // When this fails, the one or the other is there.
    this.#sound = false;
    await rename(join(this.#folder, FRESH_FILE), join(this.#folder, FILE));
    await syncFolder(this.#folder);
    this.#lengthWhenNew = this.#file.length;
    this.#sound = true;
  }

  /** Marks what has no mark yet, where the disk lets it, and closes. */
  async close(): Promise<void> {
    await this.mark().catch(ignore);
    await this.#file.handle.close();
  }

  /** What a write that failed has left must not be there at the next start. */
  async #takeBack(): Promise<void> {
    try {
      await this.#file.handle.truncate(this.#file.length);
      this.#sound = true;
    } catch {
      // Not sound.
    }
  }
}

/** Writes a whole file beside the real one; nothing of it is left when that fails. */
async function writeFresh(folder: string, edits: Iterable<Edit>, revision: number): Promise<JournalFile> {
  const fresh = join(folder, FRESH_FILE);
  const handle = await open(fresh, "w", MODE);
  try {
    const header = headerLine(revision);
    await writeAt(handle, header.bytes, 0);
    const marksAt = header.bytes.length;
    let length = marksAt + MARK_AREA;
    let { check } = header;
    for (const batch of batchesOf(edits)) {
      const line = batchLine(batch, check);
      await writeAt(handle, line.bytes, length);
      length += line.bytes.length;
      check = line.check;
    }
    const mark = markLine(length, check, header.check);
    for (const slot of [0, 1]) await writeAt(handle, mark, markPosition(marksAt, slot));
    await handle.sync();
    return { handle, marksAt, headerCheck: header.check, length, check };
  } catch (error) {
    await handle.close();
    await rm(fresh, { force: true }).catch(ignore);
    throw error;
  }
}

function* batchesOf(edits: Iterable<Edit>): Iterable<readonly Edit[]> {
  let batch: Edit[] = [];
  for (const edit of edits) {
    batch.push(edit);
    if (batch.length < LINE_OF_REWRITE) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
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
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
