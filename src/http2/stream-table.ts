import type { Http2Stream } from "./http2-stream.js";

/** Number of chains, a power of two. */
const CHAINS = 32;
/** Number of streams that are remembered. It equals the default bound on open streams. */
const RESETS = 256;

/**
 * Open streams of a connection by number. A Map would burden V8's garbage collector: its tables are replaced as streams come
 * and go, and an outgrown table in the old generation keeps all its successors.
 */
export class StreamTable {
  readonly #chains: (Http2Stream | undefined)[] = Array.from({ length: CHAINS });
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): Http2Stream | undefined {
    let stream = this.#chains[chainOf(id)];
    while (stream !== undefined && stream.id !== id) stream = stream.nextInChain;
    return stream;
  }

  /** @param stream - whose number is not in the table */
  add(stream: Http2Stream): void {
    const chain = chainOf(stream.id);
    stream.nextInChain = this.#chains[chain];
    this.#chains[chain] = stream;
    this.#size += 1;
  }

  /** Removes a stream of the table. */
  remove(stream: Http2Stream): void {
    const chain = chainOf(stream.id);
    const first = this.#chains[chain];
    if (first === stream) {
      this.#chains[chain] = stream.nextInChain;
    } else {
      let before = first;
      while (before !== undefined && before.nextInChain !== stream) before = before.nextInChain;
      if (before === undefined) return;
      before.nextInChain = stream.nextInChain;
    }
    stream.nextInChain = undefined;
    this.#size -= 1;
  }

  /** Returns a copy, so that streams may be removed during iteration. */
  values(): Http2Stream[] {
    const streams: Http2Stream[] = [];
    for (const first of this.#chains) {
      for (let stream = first; stream !== undefined; stream = stream.nextInChain) streams.push(stream);
    }
    return streams;
  }
}

/** Clients use odd numbers, so the lowest bit says nothing. */
function chainOf(id: number): number {
  return (id >>> 1) & (CHAINS - 1);
}

/**
 * Remembers the streams that this server has reset last, because frames that the peer had sent before it knew are ignored.
 * Source: RFC 9113, section 5.1, "closed".
 */
export class ResetStreams {
  /** Created with the first entry, because most connections have none. */
  #ids: Uint32Array | undefined;
  #next = 0;

  add(id: number): void {
    this.#ids ??= new Uint32Array(RESETS);
    this.#ids[this.#next] = id;
    this.#next = (this.#next + 1) % RESETS;
  }

  has(id: number): boolean {
    return this.#ids?.includes(id) === true;
  }
}
