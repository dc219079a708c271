import type { EndOfTurn } from "../core/ports.js";
import type { Identified, ReplicaChange, ReplicaChanges } from "./replica-messages.js";

export interface ChangeLogOptions<Item extends Identified, Why> {
  readonly endOfTurn: EndOfTurn;
  /** Whether anybody wants to be told. */
  readonly wanted: () => boolean;
  /** Takes a batch to whoever wants it. */
  readonly tell: (changes: ReplicaChanges<Item, Why>) => void;
}

/** Most changes that are told at once. */
const BATCH = 200;

/** Counts what changes at this node, and tells it in batches at the end of the turn while somebody wants to know. */
export class ChangeLog<Item extends Identified, Why> {
  readonly #options: ChangeLogOptions<Item, Why>;
  #count = 0;
  #waiting: ReplicaChange<Item, Why>[] = [];

  constructor(options: ChangeLogOptions<Item, Why>) {
    this.#options = options;
  }

  /** Of the last change. */
  get count(): number {
    return this.#count;
  }

  /** @param changeOf - what has changed, given its count; worked out only where somebody wants to know */
  note(changeOf: (count: number) => ReplicaChange<Item, Why>): void {
    this.#count += 1;
    if (!this.#options.wanted()) {
      // What waits must have no gap, and there is nobody left to hear it.
      this.#waiting = [];
      return;
    }
    this.#waiting.push(changeOf(this.#count));
    if (this.#waiting.length === 1) this.#options.endOfTurn(this.#onEndOfTurn);
    // Less than a batch waits, so it takes no more than that.
    else if (this.#waiting.length >= BATCH) this.flush();
  }

  /** Tells at once what waits. */
  flush(): void {
    const changes = this.#waiting;
    this.#waiting = [];
    if (changes.length === 0 || !this.#options.wanted()) return;
    this.#options.tell({ first: this.#count - changes.length + 1, changes });
  }

  readonly #onEndOfTurn = (): void => {
    this.flush();
  };
}
