import type { NatsStoredMessage } from "../nats-stored-message.js";
import { createAnchorPosition, type StreamAddress } from "../position.js";
import type { Anchor } from "../streams/class-stream.js";
import type { StoredArrival } from "./arrival.js";
import type { HotRing } from "./hot-ring.js";

/** How an arrived message continues the log. */
export type Continuation = "next" | "repeated" | "unclear";

/** The end of a log as this node knows it: its newest message, or an anchor where it has none. */
export class Chain {
  readonly #ring: HotRing;
  #newest: NatsStoredMessage | undefined;
  #anchor: { readonly sequence: number; readonly position: string } | undefined;

  constructor(ring: HotRing) {
    this.#ring = ring;
  }

  /** Whether the end of the log is known. */
  get isKnown(): boolean {
    return this.#newest !== undefined || this.#anchor !== undefined;
  }

  get newest(): NatsStoredMessage | undefined {
    return this.#newest;
  }

  /** Sequence after which the next message comes. */
  get sequence(): number {
    return this.#newest?.sequence ?? this.#anchor?.sequence ?? 0;
  }

  get position(): string | undefined {
    return this.#newest?.position ?? this.#anchor?.position;
  }

  /** Begins with the newest message. */
  beginWith(message: NatsStoredMessage, most: number): void {
    this.#ring.reset(message.sequence - 1);
    this.#anchor = undefined;
    this.append(message, most);
  }

  /** Continues or begins with a log that has no messages: none are stored any more, or none were yet. */
  beginAfter(anchor: Anchor, address: StreamAddress): void {
    const position = createAnchorPosition(address, anchor);
    if (!this.isKnown) this.#ring.reset(anchor.sequence, true, position);
    this.#newest = undefined;
    this.#anchor = { sequence: anchor.sequence, position };
  }

  /** Forgets the log. */
  clear(): void {
    this.#ring.reset(0);
    this.#newest = undefined;
    this.#anchor = undefined;
  }

  /** Adds the next message. A purge mark removes everything before it. */
  append(message: NatsStoredMessage, most: number): void {
    this.#newest = message;
    if (message.isMark) this.#ring.reset(message.sequence, true);
    else this.#ring.push(message, most);
  }

  /** Applies the chain rule (rule N14). */
  classify({ isComplete, message, previous }: StoredArrival): Continuation {
    const { sequence } = this;
    if (message.sequence <= sequence) {
      const known = this.#ring.find(message.sequence);
      return known !== undefined && known.position === message.position ? "repeated" : "unclear";
    }
    return isComplete && previous === (this.#newest?.sequence ?? 0) ? "next" : "unclear";
  }
}
