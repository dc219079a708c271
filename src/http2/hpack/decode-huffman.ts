/**
 * Huffman decoding by a state machine that reads four bits at once. A state is an inner node of the code tree. The shortest
 * code has five bits, so a step emits at most one symbol.
 */
import { HpackError } from "./hpack-error.js";
import { HUFFMAN_LENGTHS } from "./huffman-lengths.js";
import { sliceLatin1 } from "./slice-latin1.js";

/** The symbol that never occurs in a string: RFC 7541, section 5.2. */
const EOS = 256;
/** Length of the shortest code in bits, which bounds the length of a decoded string. */
const SHORTEST_CODE = 5;
/** Maximum padding of a string in bits: RFC 7541, section 5.2. */
const MAX_PADDING = 7;

const ROOT = 0;
/** The state after EOS. It has no way out and is never final. */
const FAILED = HUFFMAN_LENGTHS.length - 1;

/** Parts of a step: the next state, the flag of a symbol, and the symbol. */
const NEXT_STATE = 0x1ff;
const EMITS = 0x200;
const SYMBOL_SHIFT = 16;

/** Both children of each inner node: the number of a node, or the complement of a symbol. */
const CHILDREN = buildTree();
/** Steps by state and four bits of input. */
const STEPS = buildSteps();
/** States that may end a string, in which only ones were read since the last symbol, at most {@link MAX_PADDING}. */
const IS_FINAL = findFinalStates();

/** Output of strings up to this length. Longer ones have a buffer of their own. */
const SCRATCH_BYTES = 4_096;
const scratch = Buffer.alloc(SCRATCH_BYTES);

/**
 * Decodes a string in linear time.
 * @param bytes - contains the encoded string from `start` to before `end`
 * @returns the string as latin1 text, at most 8/5 times as long as the input
 * @throws HpackError: EOS occurs, or the padding is longer than 7 bits or contains a zero
 */
export function decodeHuffman(bytes: Buffer, start: number, end: number): string {
  const capacity = Math.floor(((end - start) * 8) / SHORTEST_CODE);
  const output = capacity <= SCRATCH_BYTES ? scratch : Buffer.allocUnsafe(capacity);
  let state = ROOT;
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    const high = STEPS[(state << 4) | (byte >> 4)] as number;
    if ((high & EMITS) !== 0) output[length++] = high >> SYMBOL_SHIFT;
    const low = STEPS[((high & NEXT_STATE) << 4) | (byte & 0xf)] as number;
    if ((low & EMITS) !== 0) output[length++] = low >> SYMBOL_SHIFT;
    state = low & NEXT_STATE;
  }
  if (IS_FINAL[state] !== 1) throw new HpackError("invalid Huffman code");
  return sliceLatin1(output, 0, length);
}

function buildTree(): Int16Array {
  const children = new Int16Array(2 * FAILED);
  const symbols = HUFFMAN_LENGTHS.map((length, symbol) => ({ length, symbol }));
  let nodes = 1;
  let code = 0;
  let codeLength = 0;
  for (const { length, symbol } of symbols.toSorted((a, b) => a.length - b.length || a.symbol - b.symbol)) {
    code <<= length - codeLength;
    codeLength = length;
    let node = ROOT;
    for (let bit = length - 1; bit > 0; bit--) {
      const branch = 2 * node + ((code >> bit) & 1);
      // No child is the root, so zero is a missing child.
      if (children[branch] === 0) children[branch] = nodes++;
      node = children[branch] as number;
    }
    children[2 * node + (code & 1)] = ~symbol;
    code++;
  }
  return children;
}

function buildSteps(): Uint32Array {
  const steps = new Uint32Array((FAILED + 1) << 4);
  for (let state = 0; state < FAILED; state++) {
    for (let bits = 0; bits < 16; bits++) steps[(state << 4) | bits] = stepFrom(state, bits);
  }
  return steps.fill(FAILED, FAILED << 4);
}

function stepFrom(state: number, bits: number): number {
  let node = state;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = CHILDREN[2 * node + ((bits >> bit) & 1)] as number;
    if (~child === EOS) return FAILED;
    if (child < 0) emitted = (~child << SYMBOL_SHIFT) | EMITS;
    node = child < 0 ? ROOT : child;
  }
  return node | emitted;
}

function findFinalStates(): Uint8Array {
  const isFinal = new Uint8Array(FAILED + 1);
  let node = ROOT;
  for (let ones = 0; ones <= MAX_PADDING; ones++) {
    isFinal[node] = 1;
    node = CHILDREN[2 * node + 1] as number;
  }
  return isFinal;
}
