/** Mark in the payload of a message, by which its receivers recognize it. */
export interface Stamp {
  /** Number of the publisher, from 0. */
  readonly publisher: number;
  /** Number of the message among those of its publisher and topic, from 1. */
  readonly sequence: number;
  /** When the message was due, in microseconds of `now`. */
  readonly due: number;
}

/** Smallest payload, in bytes, which any stamp fits in. */
export const MIN_PAYLOAD = 40;

/** Returns the time in microseconds. All threads of the process have the same clock. */
export function now(): number {
  return Math.round(Number(process.hrtime.bigint()) / 1_000);
}

/** Writes a stamp as a text of a number of bytes. @param bytes - at least MIN_PAYLOAD */
export function writeStamp({ due, publisher, sequence }: Stamp, bytes: number): string {
  return `${publisher} ${sequence} ${Math.round(due)} `.padEnd(bytes, ".");
}

/** @returns undefined for a payload that is not a stamp */
export function readStamp(payload: string): Stamp | undefined {
  const [publisher, sequence, due] = payload.split(" ", 3).map(Number);
  if (publisher === undefined || sequence === undefined || due === undefined || !Number.isSafeInteger(due))
    return undefined;
  return { publisher, sequence, due };
}
