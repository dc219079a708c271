import { runInTurns } from "../access/patterns/match-ahead.js";
import type { PreparedReplay, Replay, ReplayStart } from "../core/history.js";
import type { Message } from "../core/message.js";
import type { EncodedFrames } from "../core/replay-batches.js";
import type { Session } from "../core/session.js";
import type { Topic } from "../core/topic.js";
import { sumPayloadBytes } from "../history/select-messages.js";
import type { JoinedReplay, ReplayRequest } from "./command.js";
import type { CommandContext } from "./command-context.js";

/** Number of topics whose stored messages are read at the same time for one join. `takeReplays` applies the limits to their sum. */
const CONCURRENT_READS = 16;

/** The stored messages that a join has requested, by topic. */
export type PreparedReplays = ReadonlyMap<Topic, PreparedReplay>;

/** Waits, within a limit, until the logs of the topics have delivered what was stored before. */
export async function settleLogs(topics: readonly Topic[]): Promise<void> {
  let pending: Promise<void>[] | undefined;
  for (const { subscription } of topics) {
    const settled = subscription?.log?.settle();
    if (settled !== undefined) (pending ??= []).push(settled);
  }
  if (pending !== undefined) await Promise.all(pending);
}

/**
 * Reads the stored messages for a join. All topics of the join share the limits. Never rejects: a replay that fails says so.
 */
export async function prepareReplays(
  topics: readonly Topic[],
  request: ReplayRequest,
  { replayLimits }: Pick<CommandContext, "replayLimits">,
): Promise<PreparedReplays> {
  const prepared = new Map<Topic, PreparedReplay>();
  const withLog = topics.filter(({ subscription }) => subscription?.log !== undefined);
  let { bytes, messages } = replayLimits;
  for (let begin = 0; begin < withLog.length; begin += CONCURRENT_READS) {
    const limits = { messages, bytes };
    const reads = withLog.slice(begin, begin + CONCURRENT_READS).map(async (topic) => {
      const replay = await topic.subscription?.log?.prepare(toStart(topic, request), limits);
      if (replay === undefined) return;
      prepared.set(topic, replay);
      messages = Math.max(0, messages - replay.count);
      bytes = Math.max(0, bytes - replay.bytes);
    });
    await Promise.all(reads);
  }
  return prepared;
}

/** Bytes of payloads that are encoded in the turn in which the memberships begin. More are encoded before (rule O12). */
const BYTES_A_TURN = 64 * 1_024;

/** Cost of encoding a message, in steps, and of each byte of its payload (rule A15). */
const FRAME_STEPS = 500;
const BYTE_STEPS = 3;

/** Bytes that a message counts besides its payload. */
const MESSAGE_BYTES = 128;

/**
 * Encodes large replays in slices.
 * @returns the frames; none for small replays
 */
export async function encodeReplays(
  session: Session,
  prepared: PreparedReplays,
  { fanOut }: Pick<CommandContext, "fanOut">,
): Promise<EncodedFrames> {
  const frames = new Map<Message, Uint8Array>();
  let bytes = 0;
  for (const replay of prepared.values()) bytes += replay.bytes + replay.count * MESSAGE_BYTES;
  if (bytes <= BYTES_A_TURN) return frames;
  await runInTurns(
    session.vhost,
    (function* () {
      for (const [topic, replay] of prepared) {
        for (const payloadBytes of fanOut.encodeReplay(session, topic.name, replay.take().messages, frames)) {
          yield FRAME_STEPS + BYTE_STEPS * payloadBytes;
        }
      }
    })(),
  );
  return frames;
}

/**
 * Completes the replays in the turn in which the memberships begin.
 * @returns replays of the topics that the session is about to join, and results for the answer
 */
export function takeReplays(
  session: Session,
  prepared: PreparedReplays,
  { recover }: ReplayRequest,
  { recoveries, replayLimits }: Pick<CommandContext, "recoveries" | "replayLimits">,
) {
  const budget = { ...replayLimits };
  const replays = new Map<Topic, Replay>();
  const results = new Map<string, JoinedReplay>();
  for (const [topic, each] of prepared) {
    // The backend may have joined the client meanwhile. It has received live messages, before which nothing can be sent.
    if (session.memberships.has(topic)) continue;
    const replay = withinBudget(each.take(), budget);
    replays.set(topic, replay);
    results.set(topic.name, { position: replay.position, requested: recover.has(topic.name), failure: replay.failure });
  }
  for (const name of recover.keys()) {
    const known = results.get(name);
    // A topic without history has no log to which a position could belong.
    if (known === undefined) results.set(name, { position: undefined, requested: true, failure: "unknown_position" });
    recoveries.count(known === undefined ? "unknown_position" : known.failure);
  }
  return { replays, results };
}

/** Fails a replay that exceeds what the other topics of the join have left of the limits. */
function withinBudget(replay: Replay, budget: { messages: number; bytes: number }): Replay {
  const bytes = sumPayloadBytes(replay.messages);
  if (replay.messages.length > budget.messages || bytes > budget.bytes) {
    return { messages: [], position: replay.position, failure: "too_many" };
  }
  budget.messages -= replay.messages.length;
  budget.bytes -= bytes;
  return replay;
}

/**
 * Sends the stored messages to a session, in the turn in which its memberships begin.
 * @param joined - topics whose membership has begun; others may have begun before, with live messages
 * @param frames - frames that {@link encodeReplays} has made
 * @returns the number of bytes
 */
export function sendReplays(
  session: Session,
  replays: ReadonlyMap<Topic, Replay>,
  joined: readonly Topic[],
  frames: EncodedFrames,
  { fanOut }: Pick<CommandContext, "fanOut">,
): number {
  let bytes = 0;
  for (const topic of joined) bytes += fanOut.replay(session, topic, replays.get(topic)?.messages ?? [], frames);
  return bytes;
}

function toStart(topic: Topic, { latest, recover }: ReplayRequest): ReplayStart {
  const position = recover.get(topic.name);
  if (position !== undefined) return { kind: "after", position };
  return { kind: "latest", limit: latest?.limit ?? 0, since: latest?.since };
}
