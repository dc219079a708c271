import type { StoredMessage } from "../../core/history.js";
import type { Message } from "../../core/message.js";
import type { TraceContext } from "../../core/tracing/trace-context.js";
import { computeTextSize } from "../../history/bounded-map.js";
import { computeMessageSize, type LoggedMessage, MessageRing } from "../../history/message-ring.js";
import type { LinkedEntry } from "../../util/linked-list.js";
import type { LogAddress, Positions } from "./positions.js";

/** Size of a log without messages and without its topic's name, in bytes. */
const LOG_SIZE = 512;

/** Returns the number of bytes that a topic with messages counts towards its class's bound, on top of its messages. */
export function computeLogSize(topic: string): number {
  return LOG_SIZE + computeTextSize(topic);
}

/** Stored messages of one topic in one class. */
export class StoredLog {
  readonly ring: MessageRing<MemoryMessage>;
  /** Subscriptions and reads in progress. The log is dropped when it has neither these nor messages. */
  holders = 0;

  /** As in {@link computeLogSize}. */
  readonly size: number;

  /** @param base - sequence from which positions are valid */
  constructor(
    readonly address: LogAddress,
    readonly positions: Positions,
    base: number,
  ) {
    this.ring = new MessageRing(base);
    this.size = computeLogSize(address.topic);
  }

  encode(sequence: number): string {
    return this.positions.encode(this.address, sequence);
  }
}

/** A stored message. Its position is computed when it is first read, because many are never read. */
export class MemoryMessage implements StoredMessage, LoggedMessage {
  readonly id: string;
  readonly event: string;
  readonly sender: string;
  readonly time: number;
  readonly payload: Uint8Array;
  readonly size: number;
  readonly trace: TraceContext | undefined;
  /** Its entry in the list of the class. */
  entry: LinkedEntry<MemoryMessage> | undefined;
  #position: string | undefined;

  /** @param storedAt - milliseconds of a monotonic clock */
  constructor(
    readonly log: StoredLog,
    readonly sequence: number,
    { event, id, payload, sender, time, trace }: Message,
    readonly storedAt: number,
  ) {
    this.id = id;
    this.event = event;
    this.sender = sender;
    this.time = time;
    this.payload = copyOut(payload);
    this.trace = trace;
    this.size = computeMessageSize(this);
  }

  get position(): string {
    this.#position ??= this.log.encode(this.sequence);
    return this.#position;
  }
}

/** Copies a payload that is a part of a larger buffer, such as a request, which would stay in memory with it. */
function copyOut(payload: Uint8Array): Uint8Array {
  if (payload.byteLength === payload.buffer.byteLength) return payload;
  const copy = Buffer.allocUnsafeSlow(payload.length);
  copy.set(payload);
  return copy;
}
