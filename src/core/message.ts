import type { HistoryClass, StoredReceipt } from "./history.js";
import type { TraceContext } from "./tracing/trace-context.js";

/** A published message: one object for all its topics and recipients. */
export interface Message {
  /** Id chosen by the publisher, or made by the node that accepted the message. Never empty. */
  readonly id: string;
  /** Event name chosen by the publisher; "" for none. */
  readonly event: string;
  /** Id of the connection that published it; "" for a backend. */
  readonly sender: string;
  /** Time of acceptance, in milliseconds since the epoch. */
  readonly time: number;
  /** Any bytes. Immutable. */
  readonly payload: Uint8Array;
  /** Position in the topic's history; undefined for a message that is not stored. */
  readonly position?: string | undefined;
  /** Trace that the message belongs to; undefined if it is not sampled. */
  readonly trace?: TraceContext | undefined;
}

/** A message on its way to one topic of one vhost. */
export interface Publication {
  readonly vhost: string;
  readonly topic: string;
  readonly message: Message;
  /** Class of the topic's history; undefined for a topic without history. */
  readonly history?: HistoryClass | undefined;
  /** Whether the message's id was generated, so that it cannot be a duplicate. */
  readonly hasGeneratedId?: boolean | undefined;
}

/**
 * Stage that a message has reached: accepted by this process, flushed to the broker, or stored by the broker. Each stage
 * includes the earlier ones (O5).
 */
export type Stage = "accepted" | "flushed" | "stored";

/** Result of publishing one message. */
export interface Receipt {
  readonly id: string;
  /** Undefined if the message had only empty topic names, so that nothing was published. */
  readonly stage: Stage | undefined;
  /** Result of each topic with history, by the topic's name. Undefined if nothing was stored. */
  readonly stored?: ReadonlyMap<string, StoredReceipt> | undefined;
}

/** Generates ids that are unique among all nodes: the node's prefix, a dash or a dot, and a count in base 36. */
export class MessageIds {
  readonly #prefix: string;
  #count = 0;

  /** @param node - unique among all nodes that ever share a broker; letters and digits */
  constructor(node: string, separator: "-" | "." = "-") {
    this.#prefix = node + separator;
  }

  next(): string {
    this.#count += 1;
    return this.#prefix + this.#count.toString(36);
  }
}
