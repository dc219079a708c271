/** Number of streams that are remembered. It equals the default bound on open streams. */
const CAPACITY = 256;

/**
 * Remembers the streams that this server has reset last, because frames that the peer had sent before it knew are ignored.
 * Source: RFC 9113, section 5.1, "closed".
 */
export class ResetStreams {
  /** Created with the first entry, because most connections have none. */
  #ids: Uint32Array | undefined;
  #next = 0;

  add(id: number): void {
    this.#ids ??= new Uint32Array(CAPACITY);
    this.#ids[this.#next] = id;
    this.#next = (this.#next + 1) % CAPACITY;
  }

  has(id: number): boolean {
    return this.#ids?.includes(id) === true;
  }
}
