import { setImmediate } from "node:timers/promises";

/** Length of text that is dealt with in one turn of the event loop, in UTF-16 units. */
const SHORT = 131_072;

/** Gives way to everything else between two passes over a long text. */
export async function nextTurn(text: string): Promise<void> {
  if (text.length > SHORT) await setImmediate();
}
