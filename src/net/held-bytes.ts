import type { ByteLease } from "./byte-budget.js";

/** Number of bytes that a connection may hold outside the budget, so that small messages cost nothing. */
export const FREE_BYTES = 4 << 10;

/** Counts the bytes that one connection holds, and takes those beyond the free allowance from the budget. */
export class HeldBytes {
  readonly #lease: ByteLease;

  /** @param lease - used by this object only */
  constructor(lease: ByteLease) {
    this.#lease = lease;
  }

  /**
   * Sets the total number of held bytes; 0 returns all of them.
   * @returns false, and nothing has changed, when the budget refuses
   */
  set(bytes: number): boolean {
    const more = Math.max(0, bytes - FREE_BYTES) - this.#lease.bytes;
    if (more > 0) return this.#lease.tryTake(more);
    if (more < 0) this.#lease.give(-more);
    return true;
  }
}
