/** What is published: the same object for every topic and every recipient. */
export interface Message {
  /** The publisher's id, or one made by the node that accepted the message. Never empty. */
  readonly id: string;
  /** Name of what happened, as the publisher gave it; "" for none. */
  readonly event: string;
  /** Id of the connection that published it; "" for a backend. */
  readonly sender: string;
  /** When the message was accepted, in milliseconds since the epoch. */
  readonly time: number;
  /** Any bytes. Nobody changes them once the message exists. */
  readonly payload: Uint8Array;
}

/** A message on its way to one topic of one vhost. */
export interface Publication {
  readonly vhost: string;
  readonly topic: string;
  readonly message: Message;
}

/**
 * How far a message is known to have got, each stage including those before it (O5): in this process, in the broker's
 * hands, in the broker's storage.
 */
export type Stage = "accepted" | "flushed" | "stored";

/** What a publisher is told of one message. */
export interface Receipt {
  readonly id: string;
  /** Undefined: the message had empty topic names only, and nothing was published. */
  readonly stage: Stage | undefined;
}

/** Makes ids that no other node makes: a prefix of this node, a dash or a dot, and a count in base 36. */
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
