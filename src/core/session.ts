import type { ChosenClose, CloseReason } from "../errors.js";
import type { SessionFrames } from "./batch.js";
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
  readonly frames?: SessionFrames | undefined;
}

/**
 * Connection of one client. It extends its outbox, so that a message touches as few objects as possible on its way to the
 * socket, because most of them are not in the processor's cache.
 */
export class Session extends Outbox {
  readonly id: string;
  readonly vhost: string;
  /** Topics that it has joined. Maintained by the hub. */
  readonly memberships: Map<Topic, Membership> = new Map();
  readonly #sink: Sink;
  #open = true;
  #endedFor: CloseReason | ChosenClose | undefined;

  constructor(options: ClientSessionOptions) {
    super(options.sink, options.encoding, options.outbox, options.frames);
    this.id = options.id;
    this.vhost = options.vhost;
    this.#sink = options.sink;
  }

  /** False once either side has closed the connection. */
  get open(): boolean {
    return this.#open;
  }

  /** Reason why this side closed the connection; undefined while it is open and where the peer closed it. */
  get endedFor(): CloseReason | ChosenClose | undefined {
    return this.#endedFor;
  }

  /** Closes the session. Called by the hub, which removes it from its topics first. */
  end(reason?: CloseReason | ChosenClose): void {
    if (!this.#open) return;
    this.#open = false;
    this.#endedFor = reason;
    if (reason !== undefined) this.#sink.end(reason);
  }
}
