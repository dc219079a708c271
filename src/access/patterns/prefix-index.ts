/** Number of patterns up to which a scan is as fast as a search. */
const MAX_SCANNED = 8;

/**
 * Number of lookups by scan that take as long as building the index. The patterns of a token come from strangers and may
 * be looked up only once.
 */
const SCANS = 16;

/** Names with a prefix, or the patterns that match only such names. */
interface Prefixed {
  /** Text that every matching name begins with. */
  readonly prefix: string;
}

/**
 * Selects the patterns that may match a name, by the literal text that they begin with. The first lookups scan the list.
 * Further ones search a trie: patterns in the order of their prefixes, each linked to the one with the longest prefix of its
 * own. It takes 8 bytes for each pattern.
 */
export class PrefixIndex {
  readonly #patterns: readonly Prefixed[];
  #scans = 0;
  #trie: Trie | undefined;

  constructor(patterns: readonly Prefixed[]) {
    this.#patterns = patterns;
  }

  /** Finds the patterns whose prefix the name has. @returns their positions, in ascending order */
  select(name: string): readonly number[] {
    if (this.#trie === undefined && this.#patterns.length > MAX_SCANNED) {
      this.#scans += 1;
      if (this.#scans > SCANS) this.#trie = createTrie(this.#patterns);
    }
    return this.#trie === undefined ? scan(this.#patterns, name) : search(this.#trie, this.#patterns, name);
  }
}

interface Trie {
  /** Positions of the patterns in the order of their prefixes. */
  readonly order: Int32Array;
  /** For each place in the order, the last place before it whose prefix the pattern's own begins with; -1 for none. */
  readonly parents: Int32Array;
}

function createTrie(patterns: readonly Prefixed[]): Trie {
  const sorted = patterns.map(({ prefix }, position) => ({ prefix, position }));
  sorted.sort((one, other) => compare(one.prefix, other.prefix));
  const parents = new Int32Array(sorted.length);
  // Places whose prefixes the next pattern's may begin with, the longest last.
  const open: number[] = [];
  for (const [place, { prefix }] of sorted.entries()) {
    while (open.length > 0 && !prefix.startsWith(sorted[open.at(-1) ?? 0]?.prefix ?? "")) open.pop();
    parents[place] = open.at(-1) ?? -1;
    open.push(place);
  }
  return { order: Int32Array.from(sorted, ({ position }) => position), parents };
}

/** Compares in the order of `<`, which is the order of the code units that `startsWith` compares. */
function compare(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

function scan(patterns: readonly Prefixed[], name: string): number[] {
  const found: number[] = [];
  for (let position = 0; position < patterns.length; position += 1) {
    if (name.startsWith(patterns[position]?.prefix ?? "")) found.push(position);
  }
  return found;
}

function search({ order, parents }: Trie, patterns: readonly Prefixed[], name: string): number[] {
  const prefixAt = (place: number): string => patterns[order[place] ?? 0]?.prefix ?? "";
  let begin = 0;
  let end = order.length;
  while (begin < end) {
    const middle = (begin + end) >>> 1;
    if (prefixAt(middle) <= name) begin = middle + 1;
    else end = middle;
  }
  // All prefixes of the name are prefixes of the last text in the order that is not after the name.
  let place = begin - 1;
  while (place >= 0 && !name.startsWith(prefixAt(place))) place = parents[place] ?? -1;
  const found: number[] = [];
  for (; place >= 0; place = parents[place] ?? -1) found.push(order[place] ?? 0);
  return found.length > 1 ? found.toSorted((one, other) => one - other) : found;
}
