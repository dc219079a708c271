import { isUtf8 } from "node:buffer";
import { HistoryService, type TopicMessage } from "../../gen/carillon/v1/history_pb.js";
import { invalidArgument } from "../errors.js";
import { asBackend } from "./backend.js";
import { EXIT, fail } from "./exit-code.js";
import { requireMoment } from "./moment.js";
import type { BackendFlags } from "./node-options.js";
import { formatTime } from "./terminal/format-time.js";
import { note } from "./terminal/note.js";
import { printJson, printPayload } from "./terminal/print.js";

export interface HistoryFlags extends BackendFlags {
  readonly brokerName?: string;
  readonly limit?: string;
  readonly after?: string;
  readonly before?: string;
  readonly since?: string;
  readonly until?: string;
  readonly json?: true;
}

/** Prints a page of a topic's stored messages, the oldest first, and how to get the next page. */
export async function historyCommand(topic: string, flags: HistoryFlags): Promise<void> {
  let query: ReturnType<typeof readQuery>;
  try {
    query = readQuery(flags);
  } catch (error) {
    fail(error, EXIT.usage);
    return;
  }
  const { brokerName: broker = "", json } = flags;
  const isForward = flags.before === undefined && (flags.after ?? flags.since) !== undefined;
  await asBackend(flags, async (client) => {
    const { messages, more } = await client.call(HistoryService.method.readHistory, { topic, broker, ...query });
    // A page that is read backwards has the newest message first.
    const ordered = isForward ? messages : messages.toReversed();
    for (const message of ordered) {
      if (json === true) printJson(toFrame(message));
      else printPayload(message.payload);
    }
    const last = messages.at(-1);
    if (more && last !== undefined)
      note(`there are more messages: --${isForward ? "after" : "before"} ${last.position}`);
  });
}

/** Removes the stored messages of a topic, and prints their number. */
export async function purgeCommand(
  topic: string,
  flags: BackendFlags & { readonly brokerName?: string; readonly json?: true },
): Promise<void> {
  await asBackend(flags, async (client) => {
    const request = { topic, broker: flags.brokerName ?? "" };
    const { messages } = await client.call(HistoryService.method.purgeHistory, request);
    if (flags.json === true) printJson({ messages });
    else process.stdout.write(`${messages}\n`);
  });
}

/** @throws CarillonError invalid_argument */
function readQuery({ after = "", before = "", limit, since, until }: HistoryFlags) {
  if (limit !== undefined && !/^[1-9]\d{0,8}$/.test(limit))
    throw invalidArgument("--limit: expected a number of messages");
  return {
    after,
    before,
    ...(limit !== undefined && { limit: Number(limit) }),
    ...(since !== undefined && { since: toTime(requireMoment("--since", since)) }),
    ...(until !== undefined && { until: toTime(requireMoment("--until", until)) }),
  };
}

/** @param moment - in milliseconds since the epoch */
function toTime(moment: number) {
  const seconds = Math.floor(moment / 1_000);
  return { seconds: BigInt(seconds), nanos: (moment - seconds * 1_000) * 1_000_000 };
}

/** Converts a message to the frame that a WebSocket client gets, as `listen --json` prints it. */
function toFrame({ event, id, payload, position, time, topic }: TopicMessage): object {
  const bytes = Buffer.from(payload);
  const content = isUtf8(bytes)
    ? { payload: bytes.toString() }
    : { payload: bytes.toString("base64"), encoding: "base64" };
  return {
    topic,
    ...content,
    id,
    ...(event !== "" && { event }),
    time: formatTime(time),
    position,
  };
}
