import { type MsgHdrs, MsgHdrsImpl } from "nats";
import type { Message } from "../../core/message.js";
import { parseTraceContext, type TraceContext } from "../../core/tracing/trace-context.js";
import { computeMessageSize, type LoggedMessage } from "../../history/message-ring.js";
import { addTrace, TRACEPARENT, TRACESTATE } from "../broker/metadata.js";
import { createMessagePosition, type StreamAddress } from "./position.js";

/** Headers of a stored message, besides those of every message. */
const MESSAGE_ID = "Nats-Msg-Id";
const PUBLIC_ID = "Carillon-Id";
const EVENT = "Carillon-Event";
const SENDER = "Carillon-Sender";
const TIME = "Carillon-Time";
const PURGE = "Carillon-Purge";

/** Maximum number of bytes of the headers of a stored message besides its id, event, sender and topic. */
export const STORED_OVERHEAD_BYTES = 160;

/**
 * Creates the headers of a message's copy for one topic. NATS recognizes duplicates by `Nats-Msg-Id` in the whole stream, so
 * that this id must differ for each topic; the message's own id is in `Carillon-Id` (rule N12).
 */
export function toStoredHeaders({ event, id, sender, time, trace }: Message, topic: string): MsgHdrs {
  const lines: Record<string, string[]> = {
    [MESSAGE_ID]: [toMessageId(id, topic)],
    [PUBLIC_ID]: [id],
    [TIME]: [String(time)],
  };
  if (event !== "") lines[EVENT] = [event];
  if (sender !== "") lines[SENDER] = [sender];
  if (trace !== undefined) addTrace(lines, trace);
  return MsgHdrsImpl.fromRecord(lines);
}

/** Creates the headers of a purge mark. */
export function toPurgeHeaders(id: string, time: number): MsgHdrs {
  return MsgHdrsImpl.fromRecord({ [MESSAGE_ID]: [id], [TIME]: [String(time)], [PURGE]: ["1"] });
}

/** Returns the text that tells a message from others with the same payload, for the fingerprint in its position (rule N13). */
export function toIdentity({ id, time }: Message, topic: string): string {
  return `${toMessageId(id, topic)}\n${time}`;
}

function toMessageId(id: string, topic: string): string {
  return `${id} ${topic}`;
}

/** Headers of a message from NATS by name. */
export class HeaderReader {
  readonly #lines: ReadonlyMap<string, readonly string[]>;

  constructor(headers: MsgHdrs | undefined) {
    // The library's `get` compares all names, which costs more than the rest of the delivery.
    this.#lines = headers instanceof MsgHdrsImpl ? headers.headers : NO_LINES;
  }

  /** @returns "" when the header is missing */
  get(name: string): string {
    return this.#lines.get(name)?.[0] ?? "";
  }

  /** @returns 0 when the header is missing or is not an integer */
  number(name: string): number {
    const text = this.get(name);
    return DIGITS.test(text) ? Number(text) : 0;
  }
}

const NO_LINES: ReadonlyMap<string, readonly string[]> = new Map();
const DIGITS = /^\d{1,15}$/;
/** The last millisecond whose RFC 3339 form (rule W10) has a year of four digits. */
const END_OF_9999 = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** Content of a stored message. */
export interface StoredContent {
  readonly sequence: number;
  readonly headers: HeaderReader;
  readonly payload: Uint8Array;
  /** Time at which the server stored it, in milliseconds since the epoch; undefined if unknown. */
  readonly storedAt: number | undefined;
}

/** A message that a stream stores. */
export class NatsStoredMessage implements LoggedMessage {
  readonly sequence: number;
  readonly id: string;
  readonly event: string;
  readonly sender: string;
  readonly time: number;
  readonly payload: Uint8Array;
  readonly size: number;
  readonly trace: TraceContext | undefined;
  /** Time at which it was stored or arrived, in milliseconds since the epoch, by the server's or this node's clock. */
  readonly storedAt: number;
  /** Whether this marks a purge. Marks advance the log and are never delivered. */
  readonly isMark: boolean;
  readonly #address: StreamAddress;
  readonly #identity: string;
  #position: string | undefined;

  constructor(address: StreamAddress, { headers, payload, sequence, storedAt }: StoredContent, now: number) {
    const messageId = headers.get(MESSAGE_ID);
    const timeText = headers.get(TIME);
    const time = DIGITS.test(timeText) ? Number(timeText) : Number.POSITIVE_INFINITY;
    this.sequence = sequence;
    this.id = headers.get(PUBLIC_ID) || messageId || `${address.stream}-${sequence.toString(36)}`;
    this.event = headers.get(EVENT);
    this.sender = headers.get(SENDER);
    this.time = time <= END_OF_9999 ? time : (storedAt ?? now);
    this.payload = payload;
    this.storedAt = storedAt ?? now;
    const traceparent = headers.get(TRACEPARENT);
    this.trace = traceparent === "" ? undefined : parseTraceContext(traceparent, headers.get(TRACESTATE));
    this.isMark = headers.get(PURGE) !== "" && payload.length === 0;
    this.size = computeMessageSize(this);
    this.#address = address;
    this.#identity = messageId === "" || timeText === "" ? `\n${storedAt ?? 0}` : `${messageId}\n${timeText}`;
  }

  get position(): string {
    this.#position ??= createMessagePosition(this.#address, this.sequence, this.#identity, this.payload);
    return this.#position;
  }
}

/**
 * Whether a copy without the time at which it was stored is enough to know the message's position. A message of a plain NATS
 * publisher without id and time can be distinguished from an identical message only by that time, which servers before 2.11 do
 * not republish.
 */
export function identifiesItself(headers: HeaderReader): boolean {
  return headers.get(MESSAGE_ID) !== "" && headers.get(TIME) !== "";
}

/** Whether a message is a purge mark, which clients never receive. */
export function isPurgeMark(payload: Uint8Array, headers: MsgHdrs | undefined): boolean {
  return payload.length === 0 && headers !== undefined && new HeaderReader(headers).get(PURGE) !== "";
}
