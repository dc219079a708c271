import { readFileSync } from "node:fs";
import { CarillonError } from "../errors.js";
import { ListenClient, type ListenFrame } from "../outbound/listen-client.js";
import { EXIT, fail } from "./exit-code.js";

export interface ListenFlags {
  readonly url: string;
  readonly json?: true;
  readonly token?: string;
  readonly ca?: string;
}

/**
 * Prints the messages of topics until a signal arrives. Reconnects when the connection is lost or the broker was
 * unavailable.
 */
export function listenCommand(topics: readonly string[], { ca, json, token, url }: ListenFlags): void {
  const target = new URL(url);
  let authority: Buffer | undefined;
  try {
    authority = ca === undefined ? undefined : readFileSync(ca);
  } catch (error) {
    fail(error, EXIT.usage);
    return;
  }
  if (json === true) target.searchParams.set("meta", "1");
  let connectedOnce = false;
  const client = new ListenClient(
    { url: target.href, topics, token: token ?? process.env["CARILLON_TOKEN"], ca: authority },
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
          note(`listening to ${topics.join(" ")}`);
        } else if (frame.topic === "#join" || frame.topic === "#error") {
          client.stop();
          fail(toError(frame));
        } else if (frame.topic === "#lagged") {
          note(`missed ${frame.missed} message${frame.missed === 1 ? "" : "s"} on ${String(frame.payload)}`);
        } else if (frame.topic.startsWith("#")) {
          note(text);
        } else {
          process.stdout.write(json === true ? `${text}\n` : formatMessage(frame, topics.length > 1));
        }
      },
    },
  );
  const onSignal = (): void => {
    client.stop();
  };
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  // The reader of a pipe may close it early, like head.
  process.stdout.on("error", onSignal);
  client.connect();
}

function note(text: string): void {
  process.stderr.write(`carillon: ${text}\n`);
}

function toError({ error, payload }: ListenFrame): Error {
  return error === undefined ? new Error(String(payload)) : new CarillonError(error.code, error.message);
}

function formatMessage({ encoding, payload, topic }: ListenFrame, withTopic: boolean): string | Buffer {
  const text = String(payload);
  const prefix = withTopic ? `${topic} ` : "";
  if (encoding !== "base64") return `${prefix}${text}\n`;
  return Buffer.concat([Buffer.from(prefix), Buffer.from(text, "base64"), Buffer.from("\n")]);
}
