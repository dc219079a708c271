/** Block of a stream of server-sent events. */
export interface ServerEvent {
  /** "" for a message. */
  readonly name: string;
  /** Undefined for a block that only has an id. */
  readonly data: string | undefined;
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
      const [name = "", data] = [read("event: "), read("data: ")];
      onEvent(data !== undefined || read("id: ") !== undefined ? { name, data } : undefined);
    }
  }
}
