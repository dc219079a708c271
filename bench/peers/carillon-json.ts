import type { Entry } from "../support/contender.js";

/** Encodes messages as a request of Carillon in JSON. */
export function encodeEntriesJson(entries: readonly Entry[]): Buffer {
  return Buffer.from(JSON.stringify({ messages: entries.map(([topic, text]) => ({ topics: [topic], text })) }));
}

/** Returns the number of messages that an answer in JSON confirms. */
export function countConfirmedJson(answer: Buffer): number {
  const { receipts = [] } = JSON.parse(answer.toString()) as { readonly receipts?: readonly unknown[] };
  return receipts.length;
}
