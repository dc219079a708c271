import type { NatsStoredMessage } from "../nats-stored-message.js";
import type { StreamAddress } from "../position.js";
import { readForward } from "../read/forward-reader.js";
import type { ReadFrom, SubjectReader } from "../read/subject-reader.js";
import type { Anchor, ClassStream } from "../streams/class-stream.js";
import type { Chain } from "./chain.js";
import type { HotRing } from "./hot-ring.js";

/** Most messages and bytes of one read. */
const READ_MESSAGES = 256;
const READ_BYTES = 4 * 1_024 * 1_024;

/** Messages that the store has after the end of the log that a node knows. */
export interface News {
  /** Messages after the end, oldest first. */
  readonly messages: readonly NatsStoredMessage[];
  readonly more: boolean;
  /** Whether this is not the log that the node knew: the stream has lost messages. */
  readonly isReset: boolean;
}

/** The end of the log that a node knows, from which it reads on. */
export interface NewsRequest {
  readonly stream: ClassStream;
  readonly address: StreamAddress;
  readonly chain: Chain;
  readonly ring: HotRing;
  /** An anchor that was stored while the log had the end that the node knows. */
  readonly proof: Anchor | undefined;
}

/**
 * Reads what follows the end of a log, and checks that it is still the same log: the message at its end is still the same, or an
 * anchor from that time is.
 * @throws CarillonError unavailable
 */
export async function readNews(reader: SubjectReader, request: NewsRequest, from: ReadFrom): Promise<News> {
  const { address, chain, stream } = request;
  if (await isSameLog(reader, request, from)) {
    return { ...(await read(reader, address, chain.sequence + 1, from)), isReset: false };
  }
  // A replica that lags may not have the message yet.
  if (from === "any" && stream.isReplicated) return readNews(reader, request, "leader");
  const { messages, more } = await read(reader, address, 1, from);
  return { messages: afterKnown(messages, request.ring), more, isReset: true };
}

async function isSameLog(
  reader: SubjectReader,
  { address, chain, proof, stream }: NewsRequest,
  from: ReadFrom,
): Promise<boolean> {
  const { newest } = chain;
  if (newest !== undefined) {
    const found = await reader.at(address, newest.sequence, from);
    if (found !== undefined) return found.message.position === newest.position;
  }
  if (proof === undefined) return false;
  const found = await reader.at(address, proof.sequence, from);
  return found !== undefined && stream.toAnchorId(found.subject) === proof.id;
}

async function read(reader: SubjectReader, address: StreamAddress, first: number, from: ReadFrom) {
  return readForward(reader, address, { first, messages: READ_MESSAGES, bytes: READ_BYTES }, from);
}

/** Returns the messages after the newest one that the node has delivered. */
function afterKnown(messages: readonly NatsStoredMessage[], ring: HotRing): readonly NatsStoredMessage[] {
  const known = messages.findLastIndex(({ position, sequence }) => ring.find(sequence)?.position === position);
  return messages.slice(known + 1);
}
