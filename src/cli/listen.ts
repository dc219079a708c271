import { ListenClient } from "../transport/listen-client.js";
import { EXIT, fail } from "./exit-code.js";

export interface ListenFlags {
  readonly url: string;
  readonly json?: true;
}

/** What the native dialect sends; see PROTOCOL.md. */
interface Frame {
  readonly topic: string;
  readonly payload: unknown;
  readonly encoding?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

/** Prints what is published on the topics until a signal ends it. Comes back by itself when the connection is lost. */
export function listen(topics: readonly string[], { json, url }: ListenFlags): void {
  const target = new URL(url);
  if (json === true) target.searchParams.set("meta", "1");
  let connectedOnce = false;
  const client = new ListenClient(target.href, topics, {
    onConnected: () => {
      connectedOnce = true;
    },
    onLost: (reason, wait) => {
      if (!connectedOnce) {
        client.stop();
        fail(`cannot connect to ${target.origin}: ${reason}`, EXIT.unavailable);
        return;
      }
      process.stderr.write(`carillon: ${reason}; trying again in ${wait} ms\n`);
    },
    onFrame: (text) => {
      const frame = JSON.parse(text) as Frame;
      if (frame.topic === "@join") {
        process.stderr.write(`carillon: listening to ${topics.join(" ")}\n`);
      } else if (frame.topic.startsWith("#")) {
        client.stop();
        fail(frame.error?.message ?? text);
      } else {
        process.stdout.write(json === true ? `${text}\n` : linesOf(frame, topics.length > 1));
      }
    },
  });
  const onSignal = (): void => {
    client.stop();
  };
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  // The reader of a pipe may go first, as head does.
  process.stdout.on("error", onSignal);
  client.connect();
}

function linesOf({ encoding, payload, topic }: Frame, withTopic: boolean): string | Buffer {
  const text = String(payload);
  const begin = withTopic ? `${topic} ` : "";
  if (encoding !== "base64") return `${begin}${text}\n`;
  return Buffer.concat([Buffer.from(begin), Buffer.from(text, "base64"), Buffer.from("\n")]);
}
