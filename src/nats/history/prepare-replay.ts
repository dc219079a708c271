import type { PreparedReplay, RecoveryFailure, Replay, ReplayLimits, ReplayStart } from "../../core/history.js";
import { selectReplay, sumPayloadBytes } from "../../history/select-messages.js";
import type { LogSequencer } from "./log/log-sequencer.js";
import type { NatsStoredMessage } from "./nats-stored-message.js";
import { parsePosition } from "./position.js";
import { readBackward } from "./read/backward-reader.js";
import type { LogReader } from "./read/log-reader.js";
import type { SubjectReader } from "./read/subject-reader.js";

/** Readers of the store for replays. */
export interface ReplayReaders {
  readonly reader: SubjectReader;
  readonly logReader: LogReader;
}

/** The part of a replay that comes from the store. */
interface StoredPart {
  readonly messages: readonly NatsStoredMessage[];
  /** Sequence after which the ring continues. */
  readonly through: number;
}

const NOTHING: readonly NatsStoredMessage[] = [];

/** Returns a replay that the ring alone can complete; undefined if the store must be read. */
export function prepareFromRing(
  log: LogSequencer,
  start: ReplayStart,
  limits: ReplayLimits,
): PreparedReplay | undefined {
  const { chain, ring } = log;
  if (start.kind === "after") {
    if (start.position === chain.position)
      return complete(log, start, limits, { messages: NOTHING, through: chain.sequence });
    if (start.position === ring.basePosition) {
      return complete(log, start, limits, { messages: NOTHING, through: ring.base });
    }
    const parsed = parsePosition(start.position);
    if (parsed?.kind !== "message" || ring.find(parsed.sequence)?.position !== start.position) return undefined;
    return complete(log, start, limits, { messages: NOTHING, through: parsed.sequence });
  }
  const wanted = Math.min(start.limit, limits.messages);
  if (wanted === 0) return complete(log, start, limits, { messages: NOTHING, through: chain.sequence });
  if (ring.length < Math.min(wanted, log.stream.history.messages) && !ring.isWhole) return undefined;
  return complete(log, start, limits, { messages: NOTHING, through: ring.base });
}

/**
 * Reads a replay, and once more if the log has changed meanwhile, such as when the read shows that the stream began anew.
 * @throws CarillonError unavailable
 */
export async function prepareFromStore(
  readers: ReplayReaders,
  log: LogSequencer,
  start: ReplayStart,
  limits: ReplayLimits,
): Promise<PreparedReplay> {
  const { epoch } = log;
  const read = (): Promise<PreparedReplay> =>
    start.kind === "after" ? readAfter(readers, log, start, limits) : readLatest(readers, log, start, limits);
  const replay = await read();
  return epoch === log.epoch ? replay : read();
}

async function readAfter(
  { logReader }: ReplayReaders,
  log: LogSequencer,
  start: ReplayStart & { readonly kind: "after" },
  limits: ReplayLimits,
): Promise<PreparedReplay> {
  const { address, chain, stream } = log;
  const { newest, sequence: known } = chain;
  const keep = createKeep(log);
  const result = await logReader.after(stream, address, start.position, known, limits);
  if (result.failure !== undefined) return createFailedReplay(log, result.failure);
  const after = parsePosition(start.position);
  const isKnownLog =
    newest === undefined
      ? after?.kind === "anchor" && !result.messages.some(({ sequence }) => sequence <= known)
      : start.position === newest.position || result.messages.some(({ position }) => position === newest.position);
  // Messages that this node has not delivered yet go to all members first; otherwise the new one would receive them twice. If
  // the stream began anew, they are all messages that it has.
  if (result.through > chain.sequence) await log.check();
  if (!isKnownLog) await log.compare();
  if (result.through > chain.sequence) return createFailedReplay(log, "unavailable");
  keep(result.messages, after?.sequence ?? known, start.position);
  // Everything up to `known` has been read, also where the topic's end is another anchor than that of the position.
  return complete(log, start, limits, { messages: result.messages, through: Math.max(known, result.through) });
}

async function readLatest(
  { reader }: ReplayReaders,
  log: LogSequencer,
  start: ReplayStart & { readonly kind: "latest" },
  limits: ReplayLimits,
): Promise<PreparedReplay> {
  const { address, chain, stream } = log;
  const { newest, sequence: known } = chain;
  const keep = createKeep(log);
  const range = {
    first: 1,
    before: known + 1,
    known: newest?.sequence ?? 0,
    since: start.since,
    messages: Math.min(start.limit, limits.messages),
    bytes: limits.bytes,
  };
  const { messages } = await readBackward(reader, stream, address, range);
  const [oldest] = messages;
  const last = messages.at(-1);
  // Another newest message is that of a stream that began anew, unless the known one has been removed.
  if (last !== undefined && last.position !== newest?.position) await log.compare();
  if (oldest !== undefined) keep(messages, oldest.sequence - 1, undefined);
  return complete(log, start, limits, { messages, through: Math.max(known, last?.sequence ?? 0) });
}

/** Returns a function that keeps read messages in the ring for later replays, unless the log has moved on meanwhile. */
function createKeep(log: LogSequencer) {
  const { chain, epoch, ring, stream } = log;
  const known = chain.sequence;
  return (messages: readonly NatsStoredMessage[], base: number, position: string | undefined): void => {
    if (epoch === log.epoch && ring.base <= known) ring.extend(messages, base, position, stream.history.messages);
  };
}

/** Creates a replay without messages, which tells the reason and the current position. */
export function createFailedReplay(log: LogSequencer, failure: RecoveryFailure): PreparedReplay {
  return { count: 0, bytes: 0, take: () => ({ messages: [], position: log.chain.position, failure }) };
}

function complete(log: LogSequencer, start: ReplayStart, limits: ReplayLimits, read: StoredPart): PreparedReplay {
  const { epoch } = log;
  const more = log.ring.after(read.through) ?? NOTHING;
  return {
    count: read.messages.length + more.length,
    bytes: sumPayloadBytes(read.messages) + sumPayloadBytes(more),
    take(): Replay {
      const { position } = log.chain;
      // The topic has another class, and with it another log.
      if (log.isClosed) return { messages: [], position: undefined, failure: "unknown_position" };
      if (epoch !== log.epoch && start.kind === "after") return { messages: [], position, failure: "expired" };
      const live = epoch === log.epoch ? log.ring.after(read.through) : log.ring.all;
      if (live === undefined) return { messages: [], position, failure: "too_many" };
      const candidates = epoch === log.epoch ? [...read.messages, ...live] : live;
      const { failure, messages } = selectReplay(candidates, start, limits);
      return { messages, position, failure };
    },
  };
}
