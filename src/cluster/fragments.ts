import type { FragmentBudget, UnfinishedMessageFragments } from "./fragment-budget.js";

/**
 * Messages beyond the size limit of the bus are sent in fragments. A fragment begins with a byte that cannot begin JSON,
 * and a line of text: `\x01<node> <message number> <fragment number> <number of fragments>\n`.
 */

/** Maximum number of payload bytes in a fragment. The default limit of NATS is 1 MiB, but it may be configured lower. */
const MAX_FRAGMENT_BYTES = 60 << 10;
/** Maximum number of bytes in a message, which bounds the memory that a node uses for another one. */
export const MAX_FRAGMENTED_BYTES = 32 << 20;

const MAX_FRAGMENTS = Math.ceil(MAX_FRAGMENTED_BYTES / MAX_FRAGMENT_BYTES);

/** Memory overhead of a fragment, in bytes. */
const FRAGMENT_OVERHEAD = 256;

const MARK = 0x01;
const LINE_END = 0x0a;
/** Maximum number of bytes in a fragment's first line. */
const MAX_HEAD_BYTES = 128;
const HEAD = /^(?<from>[\w-]{1,64}) (?<number>\d{1,15}) (?<index>\d{1,6}) (?<total>\d{1,6})$/;

/** Splits messages into fragments. */
export class Splitter {
  readonly #node: string;
  #count = 0;

  constructor(node: string) {
    this.#node = node;
  }

  /** Returns the unchanged message when it is small, otherwise its fragments. */
  *split(message: Uint8Array): Iterable<Uint8Array> {
    if (message.length <= MAX_FRAGMENT_BYTES) {
      yield message;
      return;
    }
    this.#count += 1;
    const total = Math.ceil(message.length / MAX_FRAGMENT_BYTES);
    for (let index = 0; index < total; index += 1) {
      const head = Buffer.from(`\u0001${this.#node} ${this.#count} ${index} ${total}\n`);
      yield Buffer.concat([head, message.subarray(index * MAX_FRAGMENT_BYTES, (index + 1) * MAX_FRAGMENT_BYTES)]);
    }
  }
}

interface IncompleteMessage extends UnfinishedMessageFragments {
  /** The sender's number of the message. */
  readonly number: string;
  readonly total: number;
  readonly fragments: Uint8Array[];
}

/** A complete message, or the sender of a fragment whose message is incomplete; undefined for an invalid fragment. */
export type Reassembled =
  | { readonly message: Uint8Array }
  | { readonly fragmentFrom: string; readonly message?: never }
  | undefined;

/**
 * Reassembles messages. A node sends the fragments of a message consecutively and in order, so each node has at most one
 * incomplete message. A message with a missing fragment is dropped.
 */
export class Reassembler {
  readonly #isKnown: (node: string) => boolean;
  readonly #budget: FragmentBudget;
  readonly #incomplete = new Map<string, IncompleteMessage>();

  /**
   * @param isKnown - fragments of unknown nodes are ignored
   * @param budget - shared by the reassemblers of a process
   */
  constructor(isKnown: (node: string) => boolean, budget: FragmentBudget) {
    this.#isKnown = isKnown;
    this.#budget = budget;
  }

  take(message: Uint8Array): Reassembled {
    if (message[0] !== MARK) return { message };
    const headEnd = message.subarray(0, MAX_HEAD_BYTES).indexOf(LINE_END);
    const head = HEAD.exec(Buffer.from(message.subarray(1, Math.max(headEnd, 1))).toString("latin1"))?.groups;
    const { from = "", number = "" } = head ?? {};
    const index = Number(head?.["index"]);
    const total = Number(head?.["total"]);
    const fragment = message.subarray(headEnd + 1);
    if (head === undefined || !this.#isKnown(from) || !isFragment(index, total, fragment)) return undefined;
    return this.#add(from, number, index, total, fragment);
  }

  /** Drops the incomplete message of a node. */
  forget(node: string): void {
    const incomplete = this.#incomplete.get(node);
    if (incomplete === undefined) return;
    this.#incomplete.delete(node);
    this.#budget.release(incomplete);
  }

  #add(from: string, number: string, index: number, total: number, fragment: Uint8Array): Reassembled {
    if (index === 0) this.#begin(from, number, total);
    const incomplete = this.#incomplete.get(from);
    if (incomplete?.number !== number || incomplete.total !== total || incomplete.fragments.length !== index) {
      this.forget(from);
      return { fragmentFrom: from };
    }
    incomplete.fragments.push(detachFragment(fragment));
    if (incomplete.fragments.length < total) {
      this.#budget.grow(incomplete, fragment.length + FRAGMENT_OVERHEAD);
      return { fragmentFrom: from };
    }
    this.forget(from);
    return { message: Buffer.concat(incomplete.fragments) };
  }

  #begin(from: string, number: string, total: number): void {
    this.forget(from);
    const onDropped = (): void => {
      this.#incomplete.delete(from);
    };
    this.#incomplete.set(from, { from, number, total, fragments: [], bytes: 0, onDropped });
  }
}

function isFragment(index: number, total: number, fragment: Uint8Array): boolean {
  return index < total && total <= MAX_FRAGMENTS && fragment.length <= MAX_FRAGMENT_BYTES;
}

/** Copies a fragment that is a small view of a large buffer, because the view would keep the buffer in memory. */
function detachFragment(fragment: Uint8Array): Uint8Array {
  return fragment.buffer.byteLength > 2 * fragment.length + FRAGMENT_OVERHEAD ? new Uint8Array(fragment) : fragment;
}
