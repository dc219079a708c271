import type { ByteLease } from "./byte-budget.js";

/** Bytes that a connection may hold without taking them from the budget, so that small messages cost it nothing. */
export const FREE_BYTES = 4 << 10;

/** Counts what one connection holds, and takes what goes beyond the free allowance from the budget. */
export class HeldBytes {
  readonly #lease: ByteLease;

  /** @param lease - for this purpose alone */
  constructor(lease: ByteLease) {
    this.#lease = lease;
  }

  /**
   * Sets how many bytes are held in all; 0 gives everything back.
   * @returns false, and nothing has changed, where the budget has no room
   */
  set(bytes: number): boolean {
    const more = Math.max(0, bytes - FREE_BYTES) - this.#lease.bytes;
    if (more > 0) return this.#lease.tryTake(more);
    if (more < 0) this.#lease.give(-more);
    return true;
  }
}
