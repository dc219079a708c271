import type { Msg } from "nats";
import type { Message } from "../../../core/message.js";
import { HeaderReader, identifiesItself, NatsStoredMessage } from "../nats-stored-message.js";
import type { StreamAddress } from "../position.js";

/** A message that arrived on the subject of a topic with history. */
export interface Arrival {
  /** The message as it is delivered where it does not belong to the log. */
  readonly plain: Message;
  /** Undefined for a message that is not of the log's stream. */
  readonly stored: StoredArrival | undefined;
  /** Name of another stream that stores the log's subject: the class has a new one. Undefined for all other messages. */
  readonly movedTo: string | undefined;
}

/** A republished message. */
export interface StoredArrival {
  readonly message: NatsStoredMessage;
  /** Sequence of the message before it on the subject; 0 for none. */
  readonly previous: number;
  /** Whether its position is known. */
  readonly isComplete: boolean;
}

/** Reads what a server says about a republished message. Source: nats-server, republish headers. */
export function readArrival(msg: Msg, plain: Message, address: StreamAddress, now: number): Arrival {
  const headers = new HeaderReader(msg.headers);
  const stream = headers.get("Nats-Stream");
  const sequence = headers.number("Nats-Sequence");
  if (stream !== address.stream || stream === "" || sequence === 0) {
    const isMoved = stream !== "" && sequence !== 0 && headers.get("Nats-Subject") === address.subject;
    return { plain, stored: undefined, movedTo: isMoved ? stream : undefined };
  }
  const stamp = Date.parse(headers.get("Nats-Time-Stamp"));
  const storedAt = Number.isNaN(stamp) ? undefined : stamp;
  // The library's data is a view of the socket's chunk, which the ring would keep in memory.
  const content = { sequence, headers, payload: new Uint8Array(msg.data), storedAt };
  const stored = {
    message: new NatsStoredMessage(address, content, now),
    previous: headers.number("Nats-Last-Sequence"),
    isComplete: storedAt !== undefined || identifiesItself(headers),
  };
  return { plain, stored, movedTo: undefined };
}
