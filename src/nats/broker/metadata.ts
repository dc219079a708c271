import { type Msg, type MsgHdrs, MsgHdrsImpl } from "nats";
import type { Message, MessageIds } from "../../core/message.js";

/**
 * A message's metadata travels in NATS headers, so that every NATS subscriber reads the payload as it was published
 * (rule N2). The other way, an envelope around the payload, costs less CPU (bench/NOTES.md) and would make every
 * plain subscriber unpack it.
 */
const ID = "Nats-Msg-Id";
const EVENT = "Carillon-Event";
const SENDER = "Carillon-Sender";
const TIME = "Carillon-Time";

/** Header lines add at most this many bytes to the id and the event: names, separators, version, time. */
const OVERHEAD_BYTES = 100;
/** And where a client has published, the line of its own. */
const SENDER_BYTES = SENDER.length + 4;

/** No fewer bytes than NATS will count for the message against its `max_payload`. */
export function publishedSize({ event, id, payload, sender }: Message): number {
  const labels = Buffer.byteLength(id) + Buffer.byteLength(event) + (sender === "" ? 0 : sender.length + SENDER_BYTES);
  return payload.length + labels + OVERHEAD_BYTES;
}

/**
 * From a record, because append() checks and looks up each name at each call: about half of what headers cost
 * (bench/NOTES.md). The values need no check here: ids and event names hold no control characters (rule T2).
 */
export function toHeaders({ event, id, sender, time }: Message): MsgHdrs {
  const lines: Record<string, string[]> = { [ID]: [id], [TIME]: [String(time)] };
  if (event !== "") lines[EVENT] = [event];
  if (sender !== "") lines[SENDER] = [sender];
  return MsgHdrsImpl.fromRecord(lines);
}

/**
 * A message from NATS. Its headers are read when somebody asks for what is in them: clients that have not asked for
 * metadata never do. A publisher that is not Carillon may send none; then the id is made here, and the time is now.
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
    this.#id ??= this.#header(ID) || this.#ids.next();
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

  /** @returns "" where there is none */
  #header(name: string): string {
    try {
      return this.#msg.headers?.get(name) ?? "";
    } catch {
      // The server passes on any bytes as headers, and the library throws at a name with a space in it. Whoever
      // publishes such a thing must not keep the message from those who ask for metadata.
      return "";
    }
  }
}

const DIGITS = /^\d{1,15}$/;

/** The last millisecond whose RFC 3339 form (rule W10) has a year of four digits. */
const END_OF_9999 = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
