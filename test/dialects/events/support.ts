import { publish } from "../../support/backends/publish.js";
import { openStream } from "../../support/clients/event-stream.js";
import type { Speech, TranscriptClient } from "../../support/clients/transcript.js";
import type { TestNode } from "../../support/nodes/node.js";

const SENTINEL = "sentinel";

/** Settings for playing transcripts of streams. A line has one block, with `\n` for its line ends. */
export const EVENTS_SPEECH: Speech = {
  path: () => "/events?topic=foo",
  connect: openStreamPeer,
  sentinel: { send: SENTINEL, answer: /sentinel/ },
  mask: (text, like) => (like.includes("<id>") ? text.replaceAll(/id: [\w.~*-]+/g, "id: <id>") : text),
};

/** Opens a stream whose blocks are lines. Sending publishes the text on the stream's first topic. */
export async function openStreamPeer(node: TestNode, path: string): Promise<TranscriptClient> {
  const stream = await openStream(node.http + path);
  const topic = new URL(node.http + path).searchParams.get("topic") ?? "";
  return {
    send: (text) => {
      void publish(node, [{ topics: [topic], payload: text }]);
    },
    nextText: async () => (await stream.nextBlock()).replaceAll("\n", "\\n"),
    get unread() {
      return stream.unread;
    },
    closed: stream.closed.then(() => ({ code: 0, reason: "" })),
  };
}
