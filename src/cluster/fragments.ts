import type { FragmentBudget, UnfinishedMessageFragments } from "./fragment-budget.js";

/**
 * Words that are larger than a message of the bus may be go in parts. A part begins with a byte that does not begin JSON,
 * and a line of text: `\x01<node> <number of the word> <number of the part> <number of parts>\n`.
 */

/** Most bytes of one message. NATS takes 1 MiB where it is not told otherwise; some are told less. */
const LARGEST_PART = 60 << 10;
/** Most bytes of a word: what a node keeps for another one that sends parts. */
export const MAX_FRAGMENTED_BYTES = 32 << 20;

const MOST_PARTS = Math.ceil(MAX_FRAGMENTED_BYTES / LARGEST_PART);

/** Bytes that a part takes besides its own. */
const PIECE_COST = 256;

const MARK = 0x01;
const LINE_END = 0x0a;
/** Bytes that a part's first line has at most. */
const LONGEST_HEAD = 128;
const HEAD = /^(?<from>[\w-]{1,64}) (?<word>\d{1,15}) (?<part>\d{1,6}) (?<parts>\d{1,6})$/;

/** Cuts words. */
export class Splitter {
  readonly #node: string;
  #words = 0;

  constructor(node: string) {
    this.#node = node;
  }

  /** @returns the word as it is, or its parts */
  *cut(word: Uint8Array): Iterable<Uint8Array> {
    if (word.length <= LARGEST_PART) {
      yield word;
      return;
    }
    this.#words += 1;
    const parts = Math.ceil(word.length / LARGEST_PART);
    for (let part = 0; part < parts; part += 1) {
      const head = Buffer.from(`\u0001${this.#node} ${this.#words} ${part} ${parts}\n`);
      yield Buffer.concat([head, word.subarray(part * LARGEST_PART, (part + 1) * LARGEST_PART)]);
    }
  }
}

interface Begun extends UnfinishedMessageFragments {
  /** The sender's number of the word. */
  readonly word: string;
  readonly parts: number;
  readonly pieces: Uint8Array[];
}

/** What has come of a message: a whole word, a part of a node's word, or nothing that makes sense. */
export type Reassembled =
  | { readonly word: Uint8Array }
  | { readonly partFrom: string; readonly word?: never }
  | undefined;

/**
 * Joins parts. A node sends the parts of one word in a row and in order, so there is one unfinished word of each node; what
 * does not fit to it has lost a part, and is lost.
 */
export class Reassembler {
  readonly #isKnown: (node: string) => boolean;
  readonly #budget: FragmentBudget;
  readonly #begun = new Map<string, Begun>();

  /**
   * @param isKnown - nothing is kept for others
   * @param budget - shared by the joiners of a process
   */
  constructor(isKnown: (node: string) => boolean, budget: FragmentBudget) {
    this.#isKnown = isKnown;
    this.#budget = budget;
  }

  take(message: Uint8Array): Reassembled {
    if (message[0] !== MARK) return { word: message };
    const headEnd = message.subarray(0, LONGEST_HEAD).indexOf(LINE_END);
    const head = HEAD.exec(Buffer.from(message.subarray(1, Math.max(headEnd, 1))).toString("latin1"))?.groups;
    const { from = "", word = "" } = head ?? {};
    const part = Number(head?.["part"]);
    const parts = Number(head?.["parts"]);
    const piece = message.subarray(headEnd + 1);
    if (head === undefined || !this.#isKnown(from) || !isPart(part, parts, piece)) return undefined;
    return this.#add(from, word, part, parts, piece);
  }

  /** A node is gone. */
  forget(node: string): void {
    const begun = this.#begun.get(node);
    if (begun === undefined) return;
    this.#begun.delete(node);
    this.#budget.release(begun);
  }

  #add(from: string, word: string, part: number, parts: number, piece: Uint8Array): Reassembled {
    if (part === 0) this.#begin(from, word, parts);
    const begun = this.#begun.get(from);
    if (begun?.word !== word || begun.parts !== parts || begun.pieces.length !== part) {
      this.forget(from);
      return { partFrom: from };
    }
    begun.pieces.push(kept(piece));
    if (begun.pieces.length < parts) {
      this.#budget.grow(begun, piece.length + PIECE_COST);
      return { partFrom: from };
    }
    this.forget(from);
    return { word: Buffer.concat(begun.pieces) };
  }

  #begin(from: string, word: string, parts: number): void {
    this.forget(from);
    const lose = (): void => {
      this.#begun.delete(from);
    };
    this.#begun.set(from, { from, word, parts, pieces: [], bytes: 0, lose });
  }
}

function isPart(part: number, parts: number, piece: Uint8Array): boolean {
  return part < parts && parts <= MOST_PARTS && piece.length <= LARGEST_PART;
}

/** The piece, or a copy where it would keep much more memory than it has bytes: messages are views on what was read. */
function kept(piece: Uint8Array): Uint8Array {
  return piece.buffer.byteLength > 2 * piece.length + PIECE_COST ? new Uint8Array(piece) : piece;
}
