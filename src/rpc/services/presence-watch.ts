import type { CarillonError } from "../../errors.js";
import { type PresenceStep, toDifference } from "../../presence/difference.js";
import type { PresenceChange } from "../../presence/presence.js";

/**
 * What waits to be told to one watcher. Changes that wait become one, in which who came and went meanwhile is not told: so
 * what waits for a slow watcher is never more than the members that it knows of and those that there are (O6).
 */
export class PresenceWatch {
  #waiting: PresenceChange | undefined;
  #end: CarillonError | undefined;
  #wake: (() => void) | undefined;

  push(change: PresenceChange): void {
    const before = this.#waiting;
    this.#waiting =
      before === undefined ? change : toDifference([...stepsOf(before), ...stepsOf(change)], change.count);
    this.#wake?.();
  }

  /** What waits is dropped. The first reason counts. */
  end(reason: CarillonError): void {
    this.#end ??= reason;
    this.#waiting = undefined;
    this.#wake?.();
  }

  /** @throws why it has ended */
  async next(): Promise<PresenceChange> {
    for (;;) {
      if (this.#end !== undefined) throw this.#end;
      const change = this.#waiting;
      if (change !== undefined) {
        this.#waiting = undefined;
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

function* stepsOf({ joined, left }: PresenceChange): Generator<PresenceStep> {
  for (const member of left) yield { member, here: false };
  for (const member of joined) yield { member, here: true };
}
