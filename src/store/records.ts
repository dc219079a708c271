import { createHash } from "node:crypto";
import { CarillonError } from "../errors.js";
import type { Edit } from "./table.js";

/**
 * The lines of a store's file: `<checksum> <JSON>`. The first tells what the file is and how far revisions had been
 * counted when it was begun; each of the others holds what was written at once.
 *
 * A batch is one line so that only the last line can ever be incomplete: what comes after it is begun when it is on the
 * disk. A bad line anywhere else is damage.
 */

const FORMAT = "carillon store 1";
/** Hexadecimal digits of a SHA-256: against accidents, not against people. */
const CHECKSUM_LENGTH = 16;
const SPACE = 0x20;
const LINE_END = 0x0a;

interface Header {
  readonly format: string;
  readonly revision: number;
}

/** An edit as it is written: with short names, and without what it does not have. */
interface Written {
  readonly k: string;
  readonly v?: string | undefined;
  readonly r: number;
  readonly e?: number | undefined;
}

export interface Recorded {
  readonly edits: readonly Edit[];
  readonly revision: number;
  /** Bytes that are good; what comes after them is an incomplete line. */
  readonly length: number;
}

export function headerLine(revision: number): Buffer {
  return line(JSON.stringify({ format: FORMAT, revision } satisfies Header));
}

export function batchLine(edits: readonly Edit[]): Buffer {
  return line(
    JSON.stringify(
      edits.map(({ expires, key, revision, value }): Written => {
        return { k: key, v: value, r: revision, e: expires };
      }),
    ),
  );
}

/** @throws CarillonError failed_precondition when the file is damaged, or is something else */
export function readRecords(content: Buffer, file: string): Recorded {
  const first = readLine(content, 0);
  const header = first === undefined ? undefined : (JSON.parse(first.text) as Header);
  if (first === undefined || header?.format !== FORMAT) {
    throw new CarillonError("failed_precondition", `${file} is not a store of this version of Carillon`);
  }
  const edits: Edit[] = [];
  let length = first.end;
  while (length < content.length) {
    const next = readLine(content, length);
    if (next === undefined) {
      if (isLastLine(content, length)) break;
      const text = `${file} is damaged at byte ${length}: restore it from a backup, or cut it off there and lose what comes after`;
      throw new CarillonError("failed_precondition", text);
    }
    for (const { e, k, r, v } of JSON.parse(next.text) as Written[]) {
      edits.push({ key: k, value: v, revision: r, expires: e });
    }
    length = next.end;
  }
  return { edits, revision: header.revision, length };
}

function line(text: string): Buffer {
  return Buffer.from(`${checksum(text)} ${text}\n`);
}

/** The line that begins there; undefined when it is incomplete or not as it was written. */
function readLine(content: Buffer, start: number): { readonly text: string; readonly end: number } | undefined {
  const lineEnd = content.indexOf(LINE_END, start);
  if (lineEnd === -1) return undefined;
  const sum = content.toString("latin1", start, start + CHECKSUM_LENGTH);
  const text = content.toString("utf8", start + CHECKSUM_LENGTH + 1, lineEnd);
  const isAsWritten = content[start + CHECKSUM_LENGTH] === SPACE && sum === checksum(text);
  return isAsWritten ? { text, end: lineEnd + 1 } : undefined;
}

function isLastLine(content: Buffer, start: number): boolean {
  const lineEnd = content.indexOf(LINE_END, start);
  return lineEnd === -1 || lineEnd === content.length - 1;
}

function checksum(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, CHECKSUM_LENGTH);
}
