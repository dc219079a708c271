import type { MessageEncoding } from "../dialect.js";
import { toEventName, toEventValue, type Value } from "./event-values.js";

/**
 * Separator of the packets in a wire text. Wire texts have the format for polling clients of Engine.IO 4: a packet, followed
 * by the attachment as a packet of its own. JSON text never contains the separator.
 */
export const SEPARATOR = "\x1e";
/** First character of a packet with text, and of a packet with bytes as base64. */
export const TEXT_PACKET = "4";
export const BINARY_PACKET = "b";

/** Encodes Socket.IO's packets (protocol 5) of a namespace. */
export class Packets {
  readonly #namespace: string;

  constructor(namespace: string) {
    this.#namespace = namespace === "/" ? "" : `${namespace},`;
  }

  event(event: string, { attachment, text }: Value): string {
    const body = `[${JSON.stringify(toEventName(event))},${text}]`;
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

/** Encoding of messages as events. */
export interface SocketIoEventEncoding extends MessageEncoding {
  /** Whether sessions add offsets to their messages. */
  readonly recoverable: boolean;
}

/** Creates the encoding of messages as events of a namespace. */
export function socketIoEventEncoding(packets: Packets, recoverable = false): SocketIoEventEncoding {
  return {
    recoverable,
    topicText: () => "",
    text: ({ event, payload }) => packets.event(event, toEventValue(payload)),
    laggedText: (topic, missed) => packets.event("lagged", { text: JSON.stringify({ topic, missed }) }),
    presenceText: () => undefined,
  };
}

function attached(base64: string): string {
  return `${SEPARATOR}${BINARY_PACKET}${base64}`;
}
