import type { ServerResponse } from "node:http";
import type { WatchEvent, Watches } from "../../../control/watches.js";
import type { Clock } from "../../../core/ports.js";
import { CarillonError } from "../../../errors.js";
import type { StreamAuthorizer } from "./admit.js";
import type { RestCall } from "./call.js";
import { toConnectionEntry } from "./connection.js";
import { write } from "./writing.js";

/** Media type of server-sent events. Source: WHATWG HTML §9.2. */
export const EVENT_STREAM = "text/event-stream";

/** Interval between comments, in milliseconds. They keep proxies from closing an idle stream. */
const COMMENT_INTERVAL = 20_000;

export interface FeedOptions {
  readonly watches: Pick<Watches, "watch">;
  readonly authorizer: StreamAuthorizer;
  readonly clock: Clock;
}

/**
 * Streams a vhost's connections until the reader disconnects: `present` for each open one, `caught_up`, then `opened` and
 * `closed` for changes. If the node ends the stream, `ended` gives the reason.
 */
export async function feedConnections({ authorizer, clock, watches }: FeedOptions, call: RestCall): Promise<void> {
  const { action, answerLease, backend, credentials, response } = call;
  const ending = new AbortController();
  const end = (why: CarillonError): void => {
    ending.abort(why);
  };
  const leave = authorizer.watch({ backend, credentials, action, onLost: end });
  response.once("close", () => {
    end(new CarillonError("cancelled", "the reader has disconnected"));
  });
  const stopComments = sendComments(response, clock);
  response.writeHead(200, { "content-type": EVENT_STREAM, "cache-control": "no-store", "x-accel-buffering": "no" });
  response.flushHeaders();
  try {
    for await (const event of watches.watch(backend, "", ending.signal)) {
      const text = formatWatchEvent(event, clock.now());
      answerLease?.spend(Buffer.byteLength(text));
      answerLease?.settle();
      await write(response, text);
    }
  } catch (cause) {
    const { message } = CarillonError.from(cause);
    response.end(formatServerSentEvent("ended", { detail: message }));
    // A fault of this server is also logged.
    if (!(cause instanceof CarillonError)) throw cause;
  } finally {
    stopComments();
    leave();
  }
}

/**
 * Sends comments. Disconnects a reader that has not read its backlog since the previous comment.
 * @returns stops the comments
 */
function sendComments(response: ServerResponse, clock: Clock): () => void {
  let cancel = clock.after(COMMENT_INTERVAL, next);
  function next(): void {
    if (response.writableNeedDrain) {
      response.destroy();
      return;
    }
    response.write(":\n\n");
    cancel = clock.after(COMMENT_INTERVAL, next);
  }
  return () => {
    cancel();
  };
}

function formatWatchEvent(event: WatchEvent, now: number): string {
  if (event.change === "caught_up") return formatServerSentEvent("caught_up", {});
  const { change, connection } = event;
  if (change === "closed")
    return formatServerSentEvent("closed", { ...toConnectionEntry(connection, now), code: event.code });
  return formatServerSentEvent(change === "open" ? "present" : "opened", toConnectionEntry(connection, null));
}

/** Encodes an event. JSON.stringify writes no line breaks, so one data line is enough. */
function formatServerSentEvent(type: string, data: object): string {
  return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}
