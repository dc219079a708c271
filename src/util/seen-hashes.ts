/** Bits of a hash that are told apart. A million hashes take 128 KiB. */
const BITS = 20;

/** A set of 32-bit hashes that now and then takes two of them for one. */
export class SeenHashes {
  readonly #words = new Uint32Array(2 ** BITS / 32);

  clear(): void {
    this.#words.fill(0);
  }

  /** @returns whether it is new */
  add(hash: number): boolean {
    const bit = hash >>> (32 - BITS);
    const word = this.#words[bit >>> 5] ?? 0;
    const mask = 1 << (bit & 31);
    if ((word & mask) !== 0) return false;
    this.#words[bit >>> 5] = word | mask;
    return true;
  }
}
