import { COUNT } from "../../dialects/dialect.js";
import { createFrameHead } from "./frame.js";

/** Bytes before a template's text: the offset of the count in it. */
const OFFSET_BYTES = 4;

/**
 * Creates the template that all connections share: the offset of the count, and the text without it.
 * @param text - with COUNT in it, once
 */
export function createCountedTemplate(text: string): Buffer {
  const offset = text.indexOf(COUNT);
  const before = Buffer.byteLength(text.slice(0, offset));
  const template = Buffer.allocUnsafe(OFFSET_BYTES + Buffer.byteLength(text) - COUNT.length);
  template.writeUInt32BE(before, 0);
  template.write(text.slice(0, offset), OFFSET_BYTES, "utf8");
  template.write(text.slice(offset + COUNT.length), OFFSET_BYTES + before, "utf8");
  return template;
}

/**
 * Smallest part after the count that connections share, in bytes. A smaller part is copied, because one write costs less than
 * several.
 */
const SHARED_BYTES = 4_096;

/**
 * Creates a function that makes the text frames of one connection from its count. Small frames are joined into one piece. The
 * part of a large frame after the count is a separate piece, which all connections share.
 */
export function createCountedFrames(templates: readonly Uint8Array[]): (count: number) => readonly Uint8Array[] {
  if (templates.some((template) => template.length - readOffset(template) >= SHARED_BYTES)) {
    return (count) => templates.flatMap((template, position) => [...createPieces(template, count + position)]);
  }
  // Frames whose counts have the same numbers of digits differ only in those digits.
  const models = new Map<number, Model>();
  return (count) => {
    const lengths = encodeLengths(count, templates.length);
    const model = models.get(lengths);
    if (model !== undefined) return [copyModel(model, count)];
    const made = createModel(templates, count);
    models.set(lengths, made);
    return [made.bytes];
  };
}

/** Frames of one connection, with the offset at which each count ends. */
interface Model {
  readonly bytes: Buffer;
  readonly ends: readonly number[];
}

function createModel(templates: readonly Uint8Array[], count: number): Model {
  const ends: number[] = [];
  const frames: Uint8Array[] = [];
  let begin = 0;
  for (const [position, template] of templates.entries()) {
    const pieces = createPieces(template, count + position);
    for (const piece of pieces) {
      frames.push(piece);
      begin += piece.length;
    }
    ends.push(begin - (template.length - readOffset(template)));
  }
  return { bytes: Buffer.concat(frames), ends };
}

function copyModel({ bytes, ends }: Model, count: number): Buffer {
  const frames = Buffer.allocUnsafe(bytes.length);
  frames.set(bytes);
  for (let position = 0; position < ends.length; position += 1) {
    let at = ends[position] ?? 0;
    for (let rest = count + position; rest > 0; rest = Math.floor(rest / 10)) {
      at -= 1;
      frames[at] = ZERO + (rest % 10);
    }
  }
  return frames;
}

/**
 * Encodes the decimal lengths of consecutive counts as one number. The first length and the sum of all lengths identify them.
 */
function encodeLengths(first: number, counts: number): number {
  let sum = 0;
  let length = countDigits(first);
  let next = 10 ** length;
  const head = length;
  for (let count = first; count < first + counts; count += 1) {
    if (count >= next) {
      length += 1;
      next *= 10;
    }
    sum += length;
  }
  return sum * MAX_DIGITS + head;
}

function countDigits(count: number): number {
  let digits = 1;
  for (let rest = count; rest >= 10; rest = Math.floor(rest / 10)) digits += 1;
  return digits;
}

const ZERO = 48;
/** Maximum number of digits of a safe integer. */
const MAX_DIGITS = 16;

function createPieces(template: Uint8Array, count: number): readonly Uint8Array[] {
  const digits = String(count);
  const offset = readOffset(template);
  const rest = template.subarray(offset);
  const length = template.length - OFFSET_BYTES + digits.length;
  const head = createFrameHead(length, length - rest.length, (frame, begin) => {
    frame.set(template.subarray(OFFSET_BYTES, offset), begin);
    frame.write(digits, begin + offset - OFFSET_BYTES, "latin1");
  });
  return [head, rest];
}

/** Reads the offset of the count in a template, prefix included. */
function readOffset({ buffer, byteOffset }: Uint8Array): number {
  return OFFSET_BYTES + new DataView(buffer, byteOffset, OFFSET_BYTES).getUint32(0);
}
