import type { Message } from "../../core/message.js";
import type { MessageEncoding } from "../dialect.js";
import { sayable, toEventValue, type Value } from "./event-values.js";

/**
 * Wire texts have the format of polling clients of Engine.IO 4: a packet, followed by the attachment as a packet of its own.
 * JSON text holds no character that separates packets.
 */
export const SEPARATOR = "\x1e";
/** First characters of a packet with text, and of one with bytes as base64. */
export const TEXT_PACKET = "4";
export const BINARY_PACKET = "b";

/** Socket.IO's packets (protocol 5) of a namespace. */
export class Packets {
  readonly #namespace: string;

  constructor(namespace: string) {
    this.#namespace = namespace === "/" ? "" : `${namespace},`;
  }

  event(event: string, { attachment, text }: Value): string {
    const body = `[${JSON.stringify(sayable(event))},${text}]`;
    return attachment === undefined
      ? `${TEXT_PACKET}2${this.#namespace}${body}`
      : `${TEXT_PACKET}51-${this.#namespace}${body}${attached(attachment)}`;
  }

  /** @param id - id that the client sent with the event */
  acknowledgement(id: number, { attachment, text }: Value): string {
    return attachment === undefined
      ? `${TEXT_PACKET}3${this.#namespace}${id}[${text}]`
      : `${TEXT_PACKET}61-${this.#namespace}${id}[${text}]${attached(attachment)}`;
  }
}

/** Messages as events of a namespace. */
export function socketIoEventEncoding(packets: Packets): MessageEncoding {
  return {
    textMaker:
      () =>
      ({ event, payload }: Message) =>
        packets.event(event, toEventValue(payload)),
    laggedText: (topic, missed) => packets.event("lagged", { text: JSON.stringify({ topic, missed }) }),
    presenceText: () => undefined,
  };
}

function attached(base64: string): string {
  return `${SEPARATOR}${BINARY_PACKET}${base64}`;
}
