import { COUNT } from "../../dialects/dialect.js";
import { textFrameOf } from "./frame.js";

/** Bytes before a template's text: where in it the count belongs. */
const PLACE_BYTES = 4;

/** A text as all connections share it: without the count, and where that belongs. @param text - with COUNT in it, once */
export function countedTemplate(text: string): Buffer {
  const place = text.indexOf(COUNT);
  const before = Buffer.byteLength(text.slice(0, place));
  const template = Buffer.allocUnsafe(PLACE_BYTES + Buffer.byteLength(text) - COUNT.length);
  template.writeUInt32BE(before, 0);
  template.write(text.slice(0, place), PLACE_BYTES, "utf8");
  template.write(text.slice(place + COUNT.length), PLACE_BYTES + before, "utf8");
  return template;
}

/** What is behind the count is shared by all from so many bytes on; below, one write of a copy costs less than several. */
const SHARED_BYTES = 4_096;

/**
 * The text frames of one connection: of each what is before the count, the count, and what is behind it. Small ones are one
 * piece together; of a large one what is behind the count is a piece of its own, the template's.
 */
export function countedTextFrames(templates: readonly Uint8Array[]): (count: number) => readonly Uint8Array[] {
  if (templates.some((template) => template.length - placeIn(template) >= SHARED_BYTES)) {
    return (count) => templates.flatMap((template, position) => [...piecesOf(template, count + position)]);
  }
  // Connections whose counts are as long differ in the digits alone.
  const models = new Map<number, Model>();
  return (count) => {
    const lengths = lengthsOf(count, templates.length);
    const model = models.get(lengths);
    if (model !== undefined) return [copyOf(model, count)];
    const made = modelOf(templates, count);
    models.set(lengths, made);
    return [made.bytes];
  };
}

/** The frames of one connection, and where in them each count ends. */
interface Model {
  readonly bytes: Buffer;
  readonly ends: readonly number[];
}

function modelOf(templates: readonly Uint8Array[], count: number): Model {
  const ends: number[] = [];
  const frames: Uint8Array[] = [];
  let begin = 0;
  for (const [position, template] of templates.entries()) {
    const pieces = piecesOf(template, count + position);
    for (const piece of pieces) {
      frames.push(piece);
      begin += piece.length;
    }
    ends.push(begin - (template.length - placeIn(template)));
  }
  return { bytes: Buffer.concat(frames), ends };
}

function copyOf({ bytes, ends }: Model, count: number): Buffer {
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

/** Tells apart how long the decimals of so many counts are: of counts in a row the first one's length and their sum do. */
function lengthsOf(first: number, counts: number): number {
  let sum = 0;
  let length = digitsOf(first);
  let next = 10 ** length;
  const head = length;
  for (let count = first; count < first + counts; count += 1) {
    if (count >= next) {
      length += 1;
      next *= 10;
    }
    sum += length;
  }
  return sum * MOST_DIGITS + head;
}

function digitsOf(count: number): number {
  let digits = 1;
  for (let rest = count; rest >= 10; rest = Math.floor(rest / 10)) digits += 1;
  return digits;
}

const ZERO = 48;
/** Of a number that counts exactly. */
const MOST_DIGITS = 16;

function piecesOf(template: Uint8Array, count: number): readonly Uint8Array[] {
  const digits = String(count);
  const place = placeIn(template);
  const behind = template.subarray(place);
  const length = template.length - PLACE_BYTES + digits.length;
  const head = textFrameOf(length, length - behind.length, (frame, begin) => {
    frame.set(template.subarray(PLACE_BYTES, place), begin);
    frame.write(digits, begin + place - PLACE_BYTES, "latin1");
  });
  return [head, behind];
}

/** Where in a template the count belongs. */
function placeIn({ buffer, byteOffset }: Uint8Array): number {
  return PLACE_BYTES + new DataView(buffer, byteOffset, PLACE_BYTES).getUint32(0);
}
