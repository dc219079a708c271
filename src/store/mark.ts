import { CHECK_LENGTH, computeCheck } from "./check.js";

/**
 * Length of the file that is known to be on the disk, stored near its beginning. A file that ends before its mark has
 * lost acknowledged writes, because a crash can only leave a file longer than its mark. A mark has a fixed size and is
 * overwritten in place. Two slots are written alternately, so that one of them is intact after a power failure. The other is
 * then the newer one, and the file is longer than the intact mark.
 */
export interface Mark {
  /** Number of bytes from the beginning of the file. */
  readonly length: number;
  /** Check of the line that ends there. */
  readonly check: string;
  /** Slot that holds the mark: 0 or 1. */
  readonly slot: number;
  /** True when the other slot is invalid, as after a power failure during its write. */
  readonly otherIsBad: boolean;
}

/** Number of digits that hold every safe integer. */
const DIGITS = 16;
const PATTERN = /^([\da-f]{16}) (mark (\d{16}) ([\da-f]{16}))\n$/;
/** Number of bytes in a mark: its check, "mark", the length, the check of the line, and the line's end. */
const MARK_SIZE = CHECK_LENGTH + 1 + 5 + DIGITS + 1 + CHECK_LENGTH + 1;
/** Number of bytes in both slots. */
export const MARK_AREA = 2 * MARK_SIZE;

/**
 * Creates the line of a mark.
 * @param headerCheck - check of the file's first line
 */
export function createMarkLine(length: number, check: string, headerCheck: string): Buffer {
  const text = `mark ${String(length).padStart(DIGITS, "0")} ${check}`;
  return Buffer.from(`${computeMarkCheck(text, headerCheck)} ${text}\n`);
}

/** Returns the position of a slot in the file, in bytes. */
export function computeMarkPosition(marksAt: number, slot: number): number {
  return marksAt + slot * MARK_SIZE;
}

/** Reads the newer of the valid marks; undefined when neither is valid. */
export function readMark(content: Buffer, marksAt: number, headerCheck: string): Mark | undefined {
  const [first, second] = [0, 1].map((slot) => readSlot(content, marksAt, slot, headerCheck));
  if (first === undefined || second === undefined) {
    const valid = first ?? second;
    return valid === undefined ? undefined : { ...valid, otherIsBad: true };
  }
  return { ...(second.length > first.length ? second : first), otherIsBad: false };
}

function readSlot(
  content: Buffer,
  marksAt: number,
  slot: number,
  headerCheck: string,
): Omit<Mark, "otherIsBad"> | undefined {
  const start = computeMarkPosition(marksAt, slot);
  const found = PATTERN.exec(content.toString("latin1", start, start + MARK_SIZE));
  if (found === null) return undefined;
  const [, own = "", text = "", length, check = ""] = found;
  return own === computeMarkCheck(text, headerCheck) ? { length: Number(length), check, slot } : undefined;
}

/** Prefixes the header's check, so that a mark never passes as the first batch, which follows the header too. */
function computeMarkCheck(text: string, headerCheck: string): string {
  return computeCheck(text, `mark ${headerCheck}`);
}
