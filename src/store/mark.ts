import { CHECK_LENGTH, computeCheck } from "./check.js";

/**
 * How far the file was known to be on the disk, kept near its beginning: a file that ends before its mark has lost
 * something that was answered, where a crash can only have left more than the mark says. A mark has a fixed size and is
 * overwritten in place; there are two by turns, so that one is whole whenever the power fails.
 */
export interface Mark {
  /** Bytes from the beginning of the file. */
  readonly length: number;
  /** Check of the line that ends there. */
  readonly check: string;
  /** 0 or 1: its place. */
  readonly slot: number;
  /** The other one does not check, as after a power failure during its writing. */
  readonly otherIsBad: boolean;
}

/** Digits that hold every safe integer. */
const DIGITS = 16;
const PATTERN = /^([\da-f]{16}) (mark (\d{16}) ([\da-f]{16}))\n$/;
/** Bytes of one: its check, the word, the length, the check of the line, and the line's end. */
const MARK_SIZE = CHECK_LENGTH + 1 + 5 + DIGITS + 1 + CHECK_LENGTH + 1;
/** Bytes that both take. */
export const MARK_AREA = 2 * MARK_SIZE;

/** @param headerCheck - check of the file's first line */
export function markLine(length: number, check: string, headerCheck: string): Buffer {
  const text = `mark ${String(length).padStart(DIGITS, "0")} ${check}`;
  return Buffer.from(`${checkOfMark(text, headerCheck)} ${text}\n`);
}

/** @returns the place of a mark in the file */
export function markPosition(marksAt: number, slot: number): number {
  return marksAt + slot * MARK_SIZE;
}

/** @returns the newer of the marks that are as they were written; undefined when neither is */
export function readMark(content: Buffer, marksAt: number, headerCheck: string): Mark | undefined {
  const [first, second] = [0, 1].map((slot) => readSlot(content, marksAt, slot, headerCheck));
  if (first === undefined || second === undefined) {
    const whole = first ?? second;
    return whole === undefined ? undefined : { ...whole, otherIsBad: true };
  }
  return { ...(second.length > first.length ? second : first), otherIsBad: false };
}

function readSlot(
  content: Buffer,
  marksAt: number,
  slot: number,
  headerCheck: string,
): Omit<Mark, "otherIsBad"> | undefined {
  const start = markPosition(marksAt, slot);
  const found = PATTERN.exec(content.toString("latin1", start, start + MARK_SIZE));
  if (found === null) return undefined;
  const [, own = "", text = "", length, check = ""] = found;
  return own === checkOfMark(text, headerCheck) ? { length: Number(length), check, slot } : undefined;
}

/** Unlike that of the first batch, which also follows the header: a mark is never taken for a line, nor a line for a mark. */
function checkOfMark(text: string, headerCheck: string): string {
  return computeCheck(text, `mark ${headerCheck}`);
}
