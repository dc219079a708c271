import { headers, type Msg, type MsgHdrs } from "nats";
import type { Message, MessageIds } from "../../core/message.js";

/**
 * A message's metadata travels in NATS headers, so that every NATS subscriber reads the payload as it was published
 * (rule N2). The other way, an envelope around the payload, costs less CPU (bench/NOTES.md) and would make every
 * plain subscriber unpack it.
 */
const ID = "Nats-Msg-Id";
const EVENT = "Carillon-Event";
const TIME = "Carillon-Time";

/** Header lines add at most this many bytes to the id and the event: names, separators, version, time. */
export const METADATA_OVERHEAD_BYTES = 100;

export function toHeaders(message: Message): MsgHdrs {
  const result = headers();
  result.append(ID, message.id);
  if (message.event !== "") result.append(EVENT, message.event);
  result.append(TIME, String(message.time));
  return result;
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
    this.#id ??= this.#msg.headers?.get(ID) || this.#ids.next();
    return this.#id;
  }

  get event(): string {
    return this.#msg.headers?.get(EVENT) ?? "";
  }

  get time(): number {
    const text = this.#msg.headers?.get(TIME) ?? "";
    const time = text === "" ? Number.NaN : Number(text);
    return Number.isSafeInteger(time) && Math.abs(time) <= MAX_TIME ? time : this.#received;
  }
}

/** The largest time that a JavaScript date holds. */
const MAX_TIME = 8.64e15;
