/** The method of Node.js behind `toString("latin1", start, end)`, which its types leave out. */
interface Latin1Bytes {
  latin1Slice(start: number, end: number): string;
}

/** Returns bytes as latin1 text. Faster than `toString` for the short texts of headers. */
export function sliceLatin1(bytes: Buffer, start: number, end: number): string {
  return (bytes as Buffer & Latin1Bytes).latin1Slice(start, end);
}
