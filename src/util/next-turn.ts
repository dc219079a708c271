import { setImmediate } from "node:timers/promises";

/** Maximum length of text that is processed twice in one turn of the event loop, in UTF-16 units. */
const MAX_SHORT_LENGTH = 131_072;

/** Yields to the event loop between two passes over a long text. */
export async function nextTurn(text: string): Promise<void> {
  if (text.length > MAX_SHORT_LENGTH) await setImmediate();
}
