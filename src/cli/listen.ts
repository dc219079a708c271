import { readFileSync } from "node:fs";
import { CarillonError, invalidArgument } from "../errors.js";
import { ListenClient, type ListenFrame, type ListenStart } from "../outbound/listen-client.js";
import { EXIT, fail } from "./exit-code.js";
import { parseMoment } from "./moment.js";
import { type ClientFlags, toWebSocketUrl } from "./node-options.js";
import { note } from "./terminal/note.js";
import { printJsonText, printPayload } from "./terminal/print.js";

export interface ListenFlags extends ClientFlags {
  readonly json?: true;
  readonly since?: string;
}

/**
 * Prints the messages of topics until a signal arrives. Reconnects when the connection is lost or the broker was
 * unavailable. It then recovers what it has missed on topics with history, or says that it cannot.
 */
export function listenCommand(topics: readonly string[], flags: ListenFlags): void {
  const { ca, json, since, token } = flags;
  let target: URL;
  let authority: Buffer | undefined;
  let start: ListenStart | undefined;
  try {
    target = new URL(toWebSocketUrl(flags));
    start = since === undefined ? undefined : parseStart(since, topics);
    authority = ca === undefined ? undefined : readFileSync(ca);
  } catch (error) {
    fail(error, EXIT.usage);
    return;
  }
  // With metadata, messages have their positions.
  target.searchParams.set("meta", "1");
  let connectedOnce = false;
  const client = new ListenClient(
    { url: target.href, topics, start, token, ca: authority },
    {
      onConnected: () => {
        connectedOnce = true;
      },
      onRetry: (reason, wait) => {
        if (connectedOnce) {
          note(`${reason}; retrying in ${wait} ms`);
          return;
        }
        client.stop();
        fail(`cannot connect to ${target.origin}: ${reason}`, EXIT.unavailable);
      },
      onRefused: (reason) => {
        fail(`${target.origin}: ${reason}`);
      },
      onFrame: (frame, text) => {
        if (frame.topic === "@join") {
          for (const [topic, reason] of Object.entries(frame.reasons ?? {})) note(explain(topic, reason));
          note(`listening to ${topics.join(" ")}`);
        } else if (frame.topic === "#join" || frame.topic === "#error") {
          client.stop();
          fail(toError(frame));
        } else if (frame.topic === "#lagged") {
          note(`missed ${frame.missed} message${frame.missed === 1 ? "" : "s"} on ${String(frame.payload)}`);
        } else if (frame.topic.startsWith("#")) {
          note(text);
        } else if (json === true) {
          printJsonText(text);
        } else {
          printPayload(toContent(frame, topics.length > 1));
        }
      },
    },
  );
  const onSignal = (): void => {
    client.stop();
  };
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  client.connect();
}

/** Begin of a position: `m.` of the memory broker, `n.` and `a.` of NATS. */
const POSITION = /^[mna]\.[\w.-]+$/;

/** Parses the option --since: a number of messages, a moment, or a position. @throws CarillonError invalid_argument */
function parseStart(text: string, topics: readonly string[]): ListenStart {
  if (/^\d+$/.test(text)) return { kind: "latest", limit: Number(text) };
  const since = parseMoment(text);
  if (since !== undefined) return { kind: "latest", since };
  if (!POSITION.test(text)) {
    const hint = "a time such as 2026-01-31T12:00:00Z, or a position";
    throw invalidArgument(`--since: expected a number of messages, how long ago, such as 10m, ${hint}`);
  }
  if (topics.length > 1) throw invalidArgument("--since: a position belongs to one topic: listen to that topic only");
  return { kind: "after", position: text };
}

/** Explains why stored messages are missing. */
function explain(topic: string, reason: string): string {
  return `cannot recover missed messages of ${topic}: ${REASONS[reason] ?? reason}`;
}

const REASONS: Readonly<Record<string, string>> = {
  expired: "they are no longer stored (expired)",
  unknown_position: "the position is not one of its history (unknown_position)",
  too_many: "there are too many (too_many)",
  unavailable: "the store does not answer (unavailable)",
};

function toError({ error, payload }: ListenFrame): Error {
  return error === undefined ? new Error(String(payload)) : new CarillonError(error.code, error.message);
}

function toContent({ encoding, payload, topic }: ListenFrame, withTopic: boolean): Buffer {
  const content = Buffer.from(String(payload), encoding === "base64" ? "base64" : "utf8");
  return withTopic ? Buffer.concat([Buffer.from(`${topic} `), content]) : content;
}
