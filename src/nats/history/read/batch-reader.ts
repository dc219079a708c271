import { createInbox, type Msg, type NatsConnection } from "nats";
import { withResolvers } from "../../../util/with-resolvers.js";
import type { NatsStoredMessage } from "../nats-stored-message.js";
import type { StreamAddress } from "../position.js";
import type { ForwardRange, ForwardResult } from "./forward-reader.js";

/** Status of the end of a batch, and of one without messages. Source: NATS ADR-31, batched direct get. */
const END_OF_BATCH = 204;
const NOT_FOUND = 404;
/** First server with batched direct gets: 2.11. */
const MAJOR = 2;
const MINOR = 11;

/** Whether the connected server, and so probably the others, knows batched direct gets. */
export function supportsBatches({ info }: NatsConnection): boolean {
  const [major = 0, minor = 0] = (info?.version ?? "").split(".").map(Number);
  return major > MAJOR || (major === MAJOR && minor >= MINOR);
}

/**
 * Reads many messages of a subject by one request.
 * @param timeout - longest wait between two answers, in milliseconds
 * @returns undefined if a server answered that does not know batches
 * @throws errors of the library, or the server's
 */
export async function readBatch(
  connection: NatsConnection,
  { stream, subject }: StreamAddress,
  { bytes, first, last = Number.POSITIVE_INFINITY, messages: most }: ForwardRange,
  timeout: number,
  decode: (msg: Msg) => NatsStoredMessage,
): Promise<ForwardResult | undefined> {
  const { promise, resolve, reject } = withResolvers<ForwardResult | undefined>();
  const inbox = createInbox();
  const messages: NatsStoredMessage[] = [];
  let pending = 0;
  const timer = setTimeout(() => {
    reject(new Error("no answer to a batched direct get"));
  }, timeout);
  const subscription = connection.subscribe(inbox, {
    callback: (error, msg) => {
      const code = msg.headers?.code ?? 0;
      const inRange = messages.at(-1) === undefined || (messages.at(-1)?.sequence ?? 0) <= last;
      timer.refresh();
      if (error !== null) reject(error);
      else if (code === NOT_FOUND) resolve({ messages: [], more: false });
      else if (code === END_OF_BATCH) resolve({ messages: withinLast(messages, last), more: inRange && pending > 0 });
      else if (code !== 0) reject(new Error(`batched direct get: ${msg.headers?.description ?? code}`));
      else if (msg.headers?.has(PENDING) !== true) resolve(undefined);
      else {
        pending = Number(msg.headers.get(PENDING));
        messages.push(decode(msg));
      }
    },
  });
  try {
    const query = { batch: most, max_bytes: bytes, seq: Math.max(1, first), next_by_subj: subject };
    connection.publish(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(query), { reply: inbox });
    return await promise;
  } finally {
    clearTimeout(timer);
    subscription.unsubscribe();
  }
}

const PENDING = "Nats-Num-Pending";

function withinLast(messages: readonly NatsStoredMessage[], last: number): readonly NatsStoredMessage[] {
  return messages.filter(({ sequence }) => sequence <= last);
}
