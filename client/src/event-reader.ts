import type { Frame } from "./types.js";

/** Block of a stream of server-sent events. */
export interface ServerEvent {
  /** Event name of a message, or one that begins with `carillon.`; undefined for a block that only has an id. */
  readonly name: string | undefined;
  /** Message, or positions with which a stream begins (rule V15), or why it ends. Empty in a block that only has an id. */
  readonly data: Partial<Frame> & { readonly code: number; readonly reason: string };
}

/**
 * Reads a stream to its end. Its events have one line of data each.
 * @param onEvent - receives undefined for a comment
 * @throws what the body's reader and `onEvent` throw
 */
export async function readEvents(
  body: ReadableStream<Uint8Array>,
  onEvent: (event: ServerEvent | undefined) => void,
): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (text + decoder.decode(value, { stream: true })).split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const lines = block.split("\n");
      const read = (field: string): string | undefined =>
        lines.find((line) => line.startsWith(field))?.slice(field.length);
      onEvent(block[0] === ":" ? undefined : { name: read("event: "), data: JSON.parse(read("data: ") || "{}") });
    }
  }
}
