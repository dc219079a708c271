/** Maximum number of objects and lists in a frame, body or payload in JSON. Parsing that many takes at most about 25 ms. */
const MAX_JSON_NODES = 131_072;

/**
 * Maximum total weight of the values and names of JSON. A value weighs 1, an object or list 2 more. A new string of up to
 * 10 characters weighs 4 more, because JSON.parse looks it up in a table of all such strings. A member name weighs 16 when
 * no earlier object had the same sequence of names up to it, because V8 then creates a new object shape, which takes up to
 * 1 µs. Parsing JSON of this weight takes at most about 30 ms; 1 MiB of objects with one different name each takes 100 ms.
 */
const MAX_JSON_WEIGHT = 400_000;

/** Reason for refusing JSON with too many objects and lists. */
const TOO_MANY_JSON_NODES = `more than ${MAX_JSON_NODES} objects and lists`;

/** Reason for refusing JSON that weighs too much. */
const TOO_MUCH_JSON = `too many values or distinct names: weight above ${MAX_JSON_WEIGHT}`;

const NODE_WEIGHT = 2;
const STRING_WEIGHT = 4;
const NAME_WEIGHT = 16;

/** Maximum length of a string value that V8 looks up, in UTF-16 units. */
const MAX_SHARED_STRING = 10;

/** Number of characters that a string's hash includes, besides the length. */
const MAX_HASHED = 64;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPENING_BRACKET = 0x5b;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/** Number of bits of a hash that are compared. The set takes 128 KiB. */
const BITS = 20;

/** An approximate set of 32-bit hashes, which may confuse two of them. */
class SeenHashes {
  readonly #words = new Uint32Array(2 ** BITS / 32);

  clear(): void {
    this.#words.fill(0);
  }

  /** @returns true when the hash is new */
  add(hash: number): boolean {
    const bit = hash >>> (32 - BITS);
    const word = this.#words[bit >>> 5] ?? 0;
    const mask = 1 << (bit & 31);
    if ((word & mask) !== 0) return false;
    this.#words[bit >>> 5] = word | mask;
    return true;
  }
}

/** Random seed of all hashes, so that clients cannot prepare collisions. */
const SEED = (Math.random() * 2 ** 32) | 0;

const seen = new SeenHashes();

/**
 * Checks that JSON text can be parsed in one turn of the event loop, without parsing it. Takes linear time, and memory
 * proportional to the depth. Ignores brackets within strings. Short texts are not scanned.
 * @param text - any text, JSON or not
 * @returns the reason for a refusal; undefined when the text is acceptable
 */
export function findJsonExcess(text: string): string | undefined {
  if (text.length <= MAX_JSON_NODES) return undefined;
  seen.clear();
  const open: number[] = [];
  let shape = SEED;
  let nodes = 0;
  let weight = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === COMMA) {
      weight += 1;
    } else if (code === OPENING_BRACKET || code === OPENING_BRACE) {
      nodes += 1;
      if (nodes > MAX_JSON_NODES) return TOO_MANY_JSON_NODES;
      weight += NODE_WEIGHT;
      if (code === OPENING_BRACE) {
        open.push(shape);
        shape = SEED;
      }
    } else if (code === CLOSING_BRACE) {
      shape = open.pop() ?? SEED;
    } else if (code === QUOTE) {
      const end = findClosingQuote(text, at);
      if (text.charCodeAt(skipSpace(text, end + 1)) === COLON) {
        shape = mix(shape, hashText(text, at, end));
        if (seen.add(shape)) weight += NAME_WEIGHT;
      } else if (end - at - 1 <= MAX_SHARED_STRING && seen.add(hashText(text, at, end))) {
        weight += STRING_WEIGHT;
      }
      at = end;
    }
    if (weight > MAX_JSON_WEIGHT) return TOO_MUCH_JSON;
  }
  return undefined;
}

/** @returns the length of the text, or one more, when the string does not end */
function findClosingQuote(text: string, opening: number): number {
  let at = opening + 1;
  for (let code = text.charCodeAt(at); at < text.length && code !== QUOTE; code = text.charCodeAt(at)) {
    at += code === BACKSLASH ? 2 : 1;
  }
  return at;
}

function skipSpace(text: string, begin: number): number {
  let at = begin;
  for (let code = text.charCodeAt(at); code <= 0x20; code = text.charCodeAt(at)) at += 1;
  return at;
}

function hashText(text: string, begin: number, end: number): number {
  let result = SEED ^ (end - begin);
  for (let at = begin + 1; at < end && at <= begin + MAX_HASHED; at += 1) {
    result = Math.imul(result ^ text.charCodeAt(at), 0x01_00_01_93);
  }
  return mix(SEED, result);
}

/** Mixes two hashes. Source: the finalizer of MurmurHash3. */
function mix(a: number, b: number): number {
  let result = Math.imul(a, 31) ^ b;
  result = Math.imul(result ^ (result >>> 16), 0x85_eb_ca_6b);
  result = Math.imul(result ^ (result >>> 13), 0xc2_b2_ae_35);
  return result ^ (result >>> 16);
}
