import { randomBytes } from "node:crypto";
import { CarillonError } from "../errors.js";
import { CHECK_LENGTH, computeCheck } from "./check.js";
import { MARK_AREA, type Mark, readMark } from "./mark.js";
import type { Edit } from "./table.js";

/**
 * The lines of a store's file: `<check> <JSON>`. The first says what the file is and how far revisions had been counted
 * when it was begun; two marks follow (mark.ts); each further line holds one batch of writes.
 *
 * Each line's check covers the check of the line before it, so a line that was removed, repeated or moved shows as well
 * as one that was changed. A batch is one line, and the next is begun when it is on the disk, so a crash leaves at most
 * one line without its end, behind everything that was answered. Everything else that does not check is damage.
 */

const FORMAT = "carillon store 2";
const OLDER_FORMAT = "carillon store 1";
/** Random bytes that tell one file from the next, so that a line of an older file does not fit. */
const ID_BYTES = 8;
const SPACE = 0x20;
const LINE_END = 0x0a;

interface Header {
  readonly format: string;
  readonly id: string;
  readonly revision: number;
}

/** An edit as it is written: with short names, and without absent members. */
interface Written {
  readonly k: string;
  readonly v?: string | undefined;
  readonly r: number;
  readonly e?: number | undefined;
}

/** A line as written, and its check, on which the next line's depends. */
export interface RecordLine {
  readonly bytes: Buffer;
  readonly check: string;
}

export interface Recorded {
  readonly edits: readonly Edit[];
  readonly revision: number;
  /** Bytes of the first line, behind which the marks are. */
  readonly marksAt: number;
  /** Check of the first line. */
  readonly headerCheck: string;
  /** The newest valid mark. */
  readonly mark: Mark;
  /** Bytes of valid lines; an incomplete line may follow. */
  readonly length: number;
  /** Check of the last valid line. */
  readonly check: string;
}

export function headerLine(revision: number): RecordLine {
  const header: Header = { format: FORMAT, id: randomBytes(ID_BYTES).toString("hex"), revision };
  return createLine(JSON.stringify(header), "");
}

/** @param previous - check of the line before */
export function batchLine(edits: readonly Edit[], previous: string): RecordLine {
  const written = edits.map(({ expires, key, revision, value }): Written => {
    return { k: key, v: value, r: revision, e: expires };
  });
  return createLine(JSON.stringify(written), previous);
}

/** @throws CarillonError failed_precondition when the file is damaged, or is something else */
export function readRecords(content: Buffer, file: string): Recorded {
  const first = readLine(content, 0, "");
  const header = first === undefined ? undefined : (JSON.parse(first.text) as Header);
  if (first === undefined || header?.format !== FORMAT) throw foreign(content, file);
  const marksAt = first.end;
  const mark = readMark(content, marksAt, first.check);
  if (mark === undefined) throw damaged(file, marksAt);

  const edits: Edit[] = [];
  let length = marksAt + MARK_AREA;
  let { check } = first;
  while (length < content.length) {
    const next = readLine(content, length, check);
    if (next === undefined) {
      if (content.includes(LINE_END, length)) throw damaged(file, length);
      break;
    }
    for (const { e, k, r, v } of JSON.parse(next.text) as Written[]) {
      edits.push({ key: k, value: v, revision: r, expires: e });
    }
    length = next.end;
    check = next.check;
    if (length === mark.length && check !== mark.check) throw damaged(file, length);
  }
  if (length < mark.length) throw damaged(file, length);
  return { edits, revision: header.revision, marksAt, headerCheck: first.check, mark, length, check };
}

function createLine(text: string, previous: string): RecordLine {
  const check = computeCheck(text, previous);
  return { bytes: Buffer.from(`${check} ${text}\n`), check };
}

/** The line that begins there; undefined when it has no end or is not as it was written. */
function readLine(
  content: Buffer,
  start: number,
  previous: string,
): { readonly text: string; readonly check: string; readonly end: number } | undefined {
  const lineEnd = content.indexOf(LINE_END, start);
  if (lineEnd === -1) return undefined;
  const text = content.subarray(start + CHECK_LENGTH + 1, lineEnd);
  const check = content.toString("latin1", start, start + CHECK_LENGTH);
  const isAsWritten = content[start + CHECK_LENGTH] === SPACE && check === computeCheck(text, previous);
  return isAsWritten ? { text: text.toString("utf8"), check, end: lineEnd + 1 } : undefined;
}

function damaged(file: string, position: number): CarillonError {
  const text = `${file} is damaged at byte ${position}, and keys or tokens that were revoked after it could be valid again: restore it from a backup, or move it away to start with an empty store`;
  return new CarillonError("failed_precondition", text);
}

function foreign(content: Buffer, file: string): CarillonError {
  const start = content.toString("latin1", 0, 100);
  const text = start.includes(OLDER_FORMAT)
    ? `${file} was written by an earlier development version of Carillon, which this one cannot read: move it away to start with an empty store`
    : `${file} is not a store of this version of Carillon, or its first line is damaged`;
  return new CarillonError("failed_precondition", text);
}
