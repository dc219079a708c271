import type { CarillonError } from "../../errors.js";
import { type PresenceStep, toDifference } from "../../presence/difference.js";
import type { PresenceChange } from "../../presence/presence.js";

/**
 * Queue of one watcher. Pending changes are merged, and members that joined and left meanwhile are omitted. A slow watcher's
 * queue therefore never exceeds the members that it knows and those present (O6).
 */
export class PresenceWatch {
  #pending: PresenceChange | undefined;
  #end: CarillonError | undefined;
  #wake: (() => void) | undefined;

  push(change: PresenceChange): void {
    const pending = this.#pending;
    this.#pending =
      pending === undefined ? change : toDifference([...toSteps(pending), ...toSteps(change)], change.count);
    this.#wake?.();
  }

  /** Ends the watch and discards pending changes. The first reason counts. */
  end(reason: CarillonError): void {
    this.#end ??= reason;
    this.#pending = undefined;
    this.#wake?.();
  }

  /** @throws the reason for which the watch has ended */
  async next(): Promise<PresenceChange> {
    for (;;) {
      if (this.#end !== undefined) throw this.#end;
      const change = this.#pending;
      if (change !== undefined) {
        this.#pending = undefined;
        return change;
      }
      await new Promise<void>((resolve) => {
        this.#wake = () => {
          this.#wake = undefined;
          resolve();
        };
      });
    }
  }
}

function* toSteps({ joined, left }: PresenceChange): Generator<PresenceStep> {
  for (const member of left) yield { member, here: false };
  for (const member of joined) yield { member, here: true };
}
