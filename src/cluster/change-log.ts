import type { EndOfTurn } from "../core/ports.js";
import type { Identified, ReplicaChange, ReplicaChanges } from "./replica-messages.js";

export interface ChangeLogOptions<Item extends Identified, Reason> {
  readonly endOfTurn: EndOfTurn;
  /** Returns whether changes have receivers. */
  readonly hasReceivers: () => boolean;
  /** Sends a batch to the receivers. */
  readonly send: (changes: ReplicaChanges<Item, Reason>) => void;
}

/** Maximum number of changes in a batch. */
const MAX_BATCH = 200;

/** Counts the changes of this node, and sends them in batches at the end of the turn while they have receivers. */
export class ChangeLog<Item extends Identified, Reason> {
  readonly #options: ChangeLogOptions<Item, Reason>;
  #count = 0;
  #pending: ReplicaChange<Item, Reason>[] = [];

  constructor(options: ChangeLogOptions<Item, Reason>) {
    this.#options = options;
  }

  /** Count of the last change. */
  get count(): number {
    return this.#count;
  }

  /** @param createChange - creates the change, given its count; called only when changes have receivers */
  note(createChange: (count: number) => ReplicaChange<Item, Reason>): void {
    this.#count += 1;
    if (!this.#options.hasReceivers()) {
      // Discards the pending changes: they have no receivers any more, and a batch must not have a gap.
      this.#pending = [];
      return;
    }
    this.#pending.push(createChange(this.#count));
    if (this.#pending.length === 1) this.#options.endOfTurn(this.#onEndOfTurn);
    // Checked after each change, so a batch never exceeds its maximum.
    else if (this.#pending.length >= MAX_BATCH) this.flush();
  }

  /** Sends the pending changes immediately. */
  flush(): void {
    const changes = this.#pending;
    this.#pending = [];
    if (changes.length === 0 || !this.#options.hasReceivers()) return;
    this.#options.send({ first: this.#count - changes.length + 1, changes });
  }

  readonly #onEndOfTurn = (): void => {
    this.flush();
  };
}
