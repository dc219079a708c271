import { COUNT } from "../dialects/dialect.js";
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

/** What is behind the count is shared by all from so many bytes on; below, one write of a copy costs less than two. */
const SHARED_BYTES = 4_096;

/**
 * The text frame of one connection: what is before the count, the count, and what is behind it. Of a large one the last is a
 * piece of its own, the template's.
 */
export function countedTextFrame(template: Uint8Array, count: number): readonly Uint8Array[] {
  const digits = String(count);
  const { byteLength, byteOffset } = template;
  const place = PLACE_BYTES + new DataView(template.buffer, byteOffset, PLACE_BYTES).getUint32(0);
  const behind = template.subarray(place);
  const isShared = behind.length >= SHARED_BYTES;
  const length = byteLength - PLACE_BYTES + digits.length;
  const head = textFrameOf(length, isShared ? length - behind.length : length, (frame, begin) => {
    frame.set(template.subarray(PLACE_BYTES, place), begin);
    const at = begin + place - PLACE_BYTES;
    frame.write(digits, at, "latin1");
    if (!isShared) frame.set(behind, at + digits.length);
  });
  return isShared ? [head, behind] : [head];
}
