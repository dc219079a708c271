import { type Msg, type MsgHdrs, MsgHdrsImpl } from "nats";
import type { Message, MessageIds } from "../../core/message.js";
import { formatTraceparent, parseTraceContext, type TraceContext } from "../../core/tracing/trace-context.js";

/**
 * Metadata of a message is sent in NATS headers, so that every NATS subscriber reads the payload as it was published
 * (rule N2). An envelope around the payload would cost less CPU (bench/NOTES.md), but every plain subscriber would have to
 * unpack it.
 */
const ID = "Nats-Msg-Id";
/** Id of a message of a topic with history. Its `Nats-Msg-Id` also names the topic. */
const STORED_ID = "Carillon-Id";
const EVENT = "Carillon-Event";
const SENDER = "Carillon-Sender";
const TIME = "Carillon-Time";
/** Trace of a sampled message (rule N15). Source: W3C Trace Context. */
export const TRACEPARENT = "traceparent";
export const TRACESTATE = "tracestate";

/** Number of header bytes of a `traceparent`, and of a `tracestate` in addition to its text. */
const TRACEPARENT_BYTES = 70;
const TRACESTATE_BYTES = 14;

/** Maximum number of header bytes besides the id and the event: names, separators, version, time. */
const OVERHEAD_BYTES = 100;
/** Number of bytes that the header of a client's id adds to the id. */
const SENDER_BYTES = SENDER.length + 4;

/** Returns an upper bound for the size of the message that NATS compares with `max_payload`, in bytes. */
export function computePublishedSize({ event, id, payload, sender, trace }: Message): number {
  const traced =
    trace === undefined
      ? 0
      : TRACEPARENT_BYTES + (trace.state === undefined ? 0 : TRACESTATE_BYTES + trace.state.length);
  const labels = Buffer.byteLength(id) + Buffer.byteLength(event) + (sender === "" ? 0 : sender.length + SENDER_BYTES);
  return payload.length + labels + traced + OVERHEAD_BYTES;
}

/**
 * Creates the headers of a message. Uses a record, because `append` validates and looks up each name, which is about half
 * of the cost of headers (bench/NOTES.md). Values need no validation: ids and event names contain no control characters
 * (rule T2).
 */
export function toHeaders({ event, id, sender, time, trace }: Message): MsgHdrs {
  const lines: Record<string, string[]> = { [ID]: [id], [TIME]: [String(time)] };
  if (event !== "") lines[EVENT] = [event];
  if (sender !== "") lines[SENDER] = [sender];
  if (trace !== undefined) addTrace(lines, trace);
  return MsgHdrsImpl.fromRecord(lines);
}

/** Adds the headers of a message's trace. */
export function addTrace(lines: Record<string, string[]>, trace: TraceContext): void {
  lines[TRACEPARENT] = [formatTraceparent(trace)];
  if (trace.state !== undefined) lines[TRACESTATE] = [trace.state];
}

/**
 * A message from NATS. Headers are parsed on first access, and never for clients without metadata. For messages of other
 * publishers without headers, the id is generated here, and the time is the time of receipt.
 */
export class NatsMessage implements Message {
  readonly payload: Uint8Array;
  readonly #msg: Msg;
  readonly #ids: MessageIds;
  readonly #received: number;
  #id: string | undefined;

  constructor(msg: Msg, ids: MessageIds, received: number) {
    this.payload = msg.data;
    this.#msg = msg;
    this.#ids = ids;
    this.#received = received;
  }

  get id(): string {
    this.#id ??= this.#header(STORED_ID) || this.#header(ID) || this.#ids.next();
    return this.#id;
  }

  get event(): string {
    return this.#header(EVENT);
  }

  get sender(): string {
    return this.#header(SENDER);
  }

  get time(): number {
    const text = this.#header(TIME);
    const time = DIGITS.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
    return time <= END_OF_9999 ? time : this.#received;
  }

  /** Read only where traces are recorded, because it parses the headers. */
  get trace(): TraceContext | undefined {
    const traceparent = this.#header(TRACEPARENT);
    return traceparent === "" ? undefined : parseTraceContext(traceparent, this.#header(TRACESTATE));
  }

  /** @returns "" when the header is missing */
  #header(name: string): string {
    try {
      return this.#msg.headers?.get(name) ?? "";
    } catch {
      // The server forwards any bytes as headers, and the library throws for a name with a space. Such a header must not
      // keep the message from clients with metadata.
      return "";
    }
  }
}

const DIGITS = /^\d{1,15}$/;

/** The last millisecond whose RFC 3339 form (rule W10) has a year of four digits. */
const END_OF_9999 = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
