import type { RecoveryFailure, ReplayLimits } from "../../../core/history.js";
import type { NatsStoredMessage } from "../nats-stored-message.js";
import { createAnchorPosition, type ParsedPosition, parsePosition, type StreamAddress } from "../position.js";
import type { ClassStream } from "../streams/class-stream.js";
import { readForward } from "./forward-reader.js";
import type { ReadFrom, SubjectReader } from "./subject-reader.js";

/** Messages after a position, or the reason why they cannot be had. */
export type MessagesAfter =
  | { readonly failure: undefined; readonly messages: readonly NatsStoredMessage[]; readonly through: number }
  | { readonly failure: RecoveryFailure };

/** Reads the log of a topic after positions that clients present, which may be of any log. */
export class LogReader {
  readonly #reader: SubjectReader;

  constructor(reader: SubjectReader) {
    this.#reader = reader;
  }

  /**
   * Reads all messages after a position.
   * @param known - sequence up to which messages are known to be stored; a replica that has fewer is not believed
   * @throws CarillonError unavailable
   */
  async after(
    stream: ClassStream,
    address: StreamAddress,
    position: string,
    known: number,
    limits: ReplayLimits,
  ): Promise<MessagesAfter> {
    const parsed = parsePosition(position);
    if (parsed === undefined) return { failure: "unknown_position" };
    const result = await this.#after(stream, address, position, parsed, limits, "any");
    if (!stream.isReplicated || (result.failure === undefined && result.through >= known)) return result;
    if (result.failure === "too_many") return result;
    return this.#after(stream, address, position, parsed, limits, "leader");
  }

  async #after(
    stream: ClassStream,
    address: StreamAddress,
    position: string,
    parsed: ParsedPosition,
    limits: ReplayLimits,
    from: ReadFrom,
  ): Promise<MessagesAfter> {
    const failure = await this.check(stream, address, position, parsed, from);
    if (failure !== undefined) return { failure };
    const range = { first: parsed.sequence + 1, messages: limits.messages + 1, bytes: limits.bytes };
    const { messages, more } = await readForward(this.#reader, address, range, from);
    // A purge has removed what was stored before its mark.
    if (messages.some(({ isMark }) => isMark)) return { failure: "expired" };
    // Nothing tells whether earlier messages after an anchor were removed because there were too many.
    if (parsed.kind === "anchor" && messages.length >= stream.keptMessages) return { failure: "expired" };
    if (more || messages.length > limits.messages) return { failure: "too_many" };
    return { failure: undefined, messages, through: messages.at(-1)?.sequence ?? parsed.sequence };
  }

  /**
   * Checks that the message or the anchor of a position is stored and is the same.
   * @returns the reason why it is not
   * @throws CarillonError unavailable
   */
  async check(
    stream: ClassStream,
    address: StreamAddress,
    position: string,
    { kind, sequence }: ParsedPosition,
    from: ReadFrom,
  ): Promise<RecoveryFailure | undefined> {
    const found = await this.#reader.at(address, sequence, from);
    if (found === undefined) return this.#explainMissing(address, sequence, from);
    if (kind === "message") {
      return found.subject === address.subject && found.message.position === position ? undefined : "unknown_position";
    }
    const id = stream.toAnchorId(found.subject);
    return id !== undefined && createAnchorPosition(address, { id, sequence }) === position
      ? undefined
      : "unknown_position";
  }

  /** A sequence that the stream has not reached was never given out by this log. */
  async #explainMissing(address: StreamAddress, sequence: number, from: ReadFrom): Promise<RecoveryFailure> {
    const next = await this.#reader.lastSequence(address, from);
    return sequence <= next ? "expired" : "unknown_position";
  }
}
