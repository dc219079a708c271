import type { NatsStoredMessage } from "../nats-stored-message.js";
import type { StreamAddress } from "../position.js";
import { readForward } from "../read/forward-reader.js";
import type { ReadFrom, SubjectReader } from "../read/subject-reader.js";
import type { Anchor, ClassStream } from "../streams/class-stream.js";
import type { Chain } from "./chain.js";
import type { HotRing } from "./hot-ring.js";

/** Maximum number of messages and bytes of one read. */
const READ_MESSAGES = 256;
const READ_BYTES = 4 * 1_024 * 1_024;

/** Messages that the store has after the end of the log that a node knows. */
export interface MissedMessages {
  /** Messages after the end, oldest first. */
  readonly messages: readonly NatsStoredMessage[];
  readonly more: boolean;
  /** Whether this is not the log that the node knew: the stream has lost messages. */
  readonly isReset: boolean;
  /** Newest message that the node has delivered and that is still stored. Undefined if the log was not reset. */
  readonly common: NatsStoredMessage | undefined;
}

/** The end of the log that a node knows, from which it continues. */
export interface CatchUpRequest {
  readonly stream: ClassStream;
  readonly address: StreamAddress;
  readonly chain: Chain;
  readonly ring: HotRing;
  /** An anchor that was stored while the log had the end that the node knows. */
  readonly proof: Anchor | undefined;
}

/**
 * Reads what follows the end of a log, and checks that it is still the same log: the message at its end is still the same, or the
 * stream has reached its sequence and still has an anchor from that time.
 * @throws CarillonError unavailable
 */
export async function readMissedMessages(
  reader: SubjectReader,
  request: CatchUpRequest,
  from: ReadFrom,
): Promise<MissedMessages> {
  const { address, chain, stream } = request;
  if (await isSameLog(reader, request, from)) {
    return { ...(await read(reader, address, chain.sequence + 1, from)), isReset: false, common: undefined };
  }
  // A replica that lags may not have the message yet.
  if (from === "any" && stream.isReplicated) return readMissedMessages(reader, request, "leader");
  return readReset(reader, request, from);
}

async function isSameLog(reader: SubjectReader, request: CatchUpRequest, from: ReadFrom): Promise<boolean> {
  const { address, chain, proof } = request;
  const { newest } = chain;
  if (newest !== undefined) {
    const found = await reader.at(address, newest.sequence, from);
    if (found !== undefined) return found.message.position === newest.position;
    // A message may expire, but sequences only grow: a stream that has not reached this one has lost its end.
    if ((await reader.lastSequence(address, "leader")) < newest.sequence) return false;
    // The stream may have reached it again between the two reads, with another message.
    const reached = await reader.at(address, newest.sequence, "leader");
    if (reached !== undefined) return reached.message.position === newest.position;
  }
  return proof !== undefined && (await isStored(reader, request, proof, from));
}

async function isStored(
  reader: SubjectReader,
  { address, stream }: CatchUpRequest,
  { id, sequence }: Anchor,
  from: ReadFrom,
): Promise<boolean> {
  const found = await reader.at(address, sequence, from);
  return found !== undefined && stream.toAnchorId(found.subject) === id;
}

/** Reads what follows the newest message that the node has delivered and that the stream still has. */
async function readReset(reader: SubjectReader, request: CatchUpRequest, from: ReadFrom): Promise<MissedMessages> {
  const { address, proof, ring } = request;
  const common = (await findInRing(reader, request, from)) ?? (await findBeforeProof(reader, request, from));
  if (common !== undefined) {
    return { ...(await read(reader, address, common.sequence + 1, from)), isReset: true, common };
  }
  const hasProof = proof !== undefined && (await isStored(reader, request, proof, from));
  // Messages that were stored before those of the ring have been delivered, or were older than the subscription.
  const isRingComplete = hasProof && ring.base <= proof.sequence;
  const since = isRingComplete ? Number.NEGATIVE_INFINITY : (ring.all[0]?.storedAt ?? Number.NEGATIVE_INFINITY);
  for (let first = hasProof ? proof.sequence + 1 : 1; ; ) {
    const { messages, more } = await read(reader, address, first, from);
    const later = messages.filter(({ storedAt }) => storedAt >= since);
    const last = messages.at(-1);
    if (later.length > 0 || !more || last === undefined) {
      return { messages: later, more, isReset: true, common: later.length === 0 ? last : undefined };
    }
    first = last.sequence + 1;
  }
}

/** Finds the newest message of the ring that is stored. Those that are stored precede all others in the stream. */
async function findInRing(
  reader: SubjectReader,
  { address, ring }: CatchUpRequest,
  from: ReadFrom,
): Promise<NatsStoredMessage | undefined> {
  const { all } = ring;
  const [oldest] = all;
  if (oldest === undefined) return undefined;
  const range = { first: oldest.sequence, messages: all.length, bytes: READ_BYTES };
  const { messages } = await readForward(reader, address, range, from);
  return messages.findLast(({ position, sequence }) => ring.find(sequence)?.position === position);
}

/** Finds the newest message if it is older than the proof: then it has been delivered, or is older than the subscription. */
async function findBeforeProof(
  reader: SubjectReader,
  request: CatchUpRequest,
  from: ReadFrom,
): Promise<NatsStoredMessage | undefined> {
  const { address, proof } = request;
  if (proof === undefined || !(await isStored(reader, request, proof, from))) return undefined;
  const newest = await reader.last(address, from);
  return newest !== undefined && newest.sequence < proof.sequence ? newest : undefined;
}

async function read(reader: SubjectReader, address: StreamAddress, first: number, from: ReadFrom) {
  return readForward(reader, address, { first, messages: READ_MESSAGES, bytes: READ_BYTES }, from);
}
