import { randomBytes } from "node:crypto";
import { CarillonError } from "../errors.js";
import { CHECK_LENGTH, computeCheck } from "./check.js";
import { computeMarkPosition, MARK_AREA, type Mark, readMark } from "./mark.js";
import type { Edit } from "./table.js";

/**
 * Format of a store's file: lines of `<check> <JSON>`. The first line holds the format's name and the latest revision at
 * the time the file was created. Two marks follow (mark.ts). Each further line holds one batch of writes.
 *
 * Each line's check covers the check of the preceding line, so a removed, repeated or moved line is detected like a
 * changed one. A batch is one line, and is on the disk before the next one is written, so a crash leaves at most one
 * incomplete line, behind all acknowledged writes. Any other line with an invalid check is damage.
 */

const FORMAT = "carillon store 2";
const OLDER_FORMAT = "carillon store 1";
/** Number of random bytes that identify a file, so that a line of an older file is invalid in a newer one. */
const ID_BYTES = 8;
const SPACE = 0x20;
const LINE_END = 0x0a;

interface Header {
  readonly format: string;
  readonly id: string;
  readonly revision: number;
}

/** An edit in the file: with short names, and without absent members. */
interface EditRecord {
  readonly k: string;
  readonly v?: string | undefined;
  readonly r: number;
  readonly e?: number | undefined;
}

/** A line's bytes, and its check, on which the check of the next line depends. */
export interface RecordLine {
  readonly bytes: Buffer;
  readonly check: string;
}

export interface Recorded {
  readonly edits: readonly Edit[];
  readonly revision: number;
  /** Number of bytes in the first line; the marks follow it. */
  readonly marksAt: number;
  /** Check of the first line. */
  readonly headerCheck: string;
  /** The newest valid mark. */
  readonly mark: Mark;
  /** Number of bytes up to the end of the last valid line. An incomplete line may follow. */
  readonly length: number;
  /** Check of the last valid line. */
  readonly check: string;
}

export function createHeaderLine(revision: number): RecordLine {
  const header: Header = { format: FORMAT, id: randomBytes(ID_BYTES).toString("hex"), revision };
  return createLine(JSON.stringify(header), "");
}

/**
 * Creates the line of a batch.
 * @param previous - check of the preceding line
 */
export function createBatchLine(edits: readonly Edit[], previous: string): RecordLine {
  const records = edits.map(({ expires, key, revision, value }): EditRecord => {
    return { k: key, v: value, r: revision, e: expires };
  });
  return createLine(JSON.stringify(records), previous);
}

/** @throws CarillonError failed_precondition when the file is damaged or has another format */
export function readRecords(content: Buffer, file: string): Recorded {
  const first = readLine(content, 0, "");
  const header = first === undefined ? undefined : (JSON.parse(first.text) as Header);
  if (first === undefined || header?.format !== FORMAT) throw createFormatError(content, file);
  const marksAt = first.end;
  const mark = readMark(content, marksAt, first.check);
  if (mark === undefined) throw createDamageError(file, marksAt);

  const edits: Edit[] = [];
  let length = marksAt + MARK_AREA;
  let { check } = first;
  while (length < content.length) {
    const next = readLine(content, length, check);
    if (next === undefined) {
      if (content.includes(LINE_END, length)) throw createDamageError(file, length);
      break;
    }
    for (const { e, k, r, v } of JSON.parse(next.text) as EditRecord[]) {
      edits.push({ key: k, value: v, revision: r, expires: e });
    }
    length = next.end;
    check = next.check;
    if (length === mark.length && check !== mark.check) throw createDamageError(file, length);
  }
  if (length < mark.length) throw createDamageError(file, length);
  // A crash during the write of a mark leaves the line that this mark covers, because the line is written and synced before.
  if (mark.otherIsBad && length === mark.length) {
    throw createDamageError(file, computeMarkPosition(marksAt, 1 - mark.slot));
  }
  return { edits, revision: header.revision, marksAt, headerCheck: first.check, mark, length, check };
}

function createLine(text: string, previous: string): RecordLine {
  const check = computeCheck(text, previous);
  return { bytes: Buffer.from(`${check} ${text}\n`), check };
}

/** Reads the line that begins at `start`; undefined when it is incomplete or its check is invalid. */
function readLine(
  content: Buffer,
  start: number,
  previous: string,
): { readonly text: string; readonly check: string; readonly end: number } | undefined {
  const lineEnd = content.indexOf(LINE_END, start);
  if (lineEnd === -1) return undefined;
  const text = content.subarray(start + CHECK_LENGTH + 1, lineEnd);
  const check = content.toString("latin1", start, start + CHECK_LENGTH);
  const isValid = content[start + CHECK_LENGTH] === SPACE && check === computeCheck(text, previous);
  return isValid ? { text: text.toString("utf8"), check, end: lineEnd + 1 } : undefined;
}

function createDamageError(file: string, position: number): CarillonError {
  const text = `${file} is damaged at byte ${position}, so keys or tokens revoked later could become valid again: restore the file from a backup, or move it away to start with an empty store`;
  return new CarillonError("failed_precondition", text);
}

function createFormatError(content: Buffer, file: string): CarillonError {
  const start = content.toString("latin1", 0, 100);
  const text = start.includes(OLDER_FORMAT)
    ? `${file} was written by an earlier development version of Carillon and cannot be read: move it away to start with an empty store`
    : `${file} is not a store file of this version of Carillon, or its first line is damaged`;
  return new CarillonError("failed_precondition", text);
}
