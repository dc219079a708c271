import type { ChosenClose, CloseReason } from "../errors.js";
import { Outbox, type OutboxContext } from "./outbox.js";
import type { Encoding, Sink } from "./ports.js";
import type { Membership, Topic } from "./topic.js";

export interface ClientSessionOptions {
  /** Unique on this node. */
  readonly id: string;
  readonly vhost: string;
  readonly encoding: Encoding;
  readonly sink: Sink;
  readonly outbox: OutboxContext;
}

/**
 * One client, for as long as its connection lives. It is its own outbox: a message finds the way to its socket through as
 * few objects as can be, most of which are not in the processor's cache.
 */
export class Session extends Outbox {
  readonly id: string;
  readonly vhost: string;
  /** The topics it is in. Kept by the hub. */
  readonly memberships: Map<Topic, Membership> = new Map();
  readonly #sink: Sink;
  #open = true;
  #endedFor: CloseReason | ChosenClose | undefined;

  constructor(options: ClientSessionOptions) {
    super(options.sink, options.encoding, options.outbox);
    this.id = options.id;
    this.vhost = options.vhost;
    this.#sink = options.sink;
  }

  /** False once it has been closed from either side: nothing more reaches it. */
  get open(): boolean {
    return this.#open;
  }

  /** Why this side ended it; undefined while it lives and when the peer ended it. */
  get endedFor(): CloseReason | ChosenClose | undefined {
    return this.#endedFor;
  }

  /** Ends the session. Kept by the hub, which takes it out of its topics first. */
  end(reason?: CloseReason | ChosenClose): void {
    if (!this.#open) return;
    this.#open = false;
    this.#endedFor = reason;
    if (reason !== undefined) this.#sink.end(reason);
  }
}
