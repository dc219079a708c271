import { isUtf8 } from "node:buffer";
import { Stage, StageSchema } from "../../../../gen/websockets/v1/websockets_pb.js";
import type { PlainCodec } from "../../service.js";
import type { PublishReceipt, PublishResponse, TopicReceipt } from "./broadcast-codec.js";
import type { PublishMessage, PublishRequest } from "./publish-request.js";

/**
 * Maximum size of a plain body, in bytes, and maximum number of its messages. It is decoded in one turn of the event loop, and
 * its weight is below the limit of rule E10: 26 for each message and its members, and 1 for each topic, which takes 3 bytes.
 */
const MAX_BYTES = 131_072;
const MAX_MESSAGES = 1_000;

/** JSON of a Request and a Response of websockets.v1, read and written by hand. A test compares it with the generated code. */
export const plainJson: PlainCodec = {
  decode(body) {
    if (body.length > MAX_BYTES || !isUtf8(body)) return undefined;
    try {
      return new PlainReader(body.toString()).readRequest();
    } catch {
      return undefined;
    }
  },
  encode: (answer) => writeResponse(answer as PublishResponse),
};

/** Thrown for text that is invalid JSON, or valid but unusual. */
const NOT_PLAIN = new Error("not plain");

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

const SPACE = 0x20;
const WHITE_SPACE: ReadonlySet<number> = new Set([0x09, 0x0a, 0x0d, SPACE]);

/** Includes control characters that JSON allows, which are rare. */
const ESCAPED_OR_CONTROL = /[\\\p{Cc}]/u;
const LONE_SURROGATE = /\p{Surrogate}/u;
const BASE64 = /^[\w+/-]*={0,2}$/;

/** A bit for each member of a message. */
const MEMBERS: ReadonlyMap<string, number> = new Map(
  ["topics", "payload", "text", "json", "id", "event", "broker", "command"].map((name, position) => [
    name,
    2 ** position,
  ]),
);

type MutableMessage = { -readonly [Name in keyof PublishMessage]: PublishMessage[Name] };

/** Creates a message without members. A literal, because copying one costs more than all else that is read. */
function createMessage(): MutableMessage {
  return { command: "", topics: [], payload: NOTHING, broker: "", event: "", id: "", text: "" };
}

const NOTHING = new Uint8Array();

/** Reads a request with known members only, each of them once and of its usual type. */
class PlainReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** @throws Error for any other text */
  readRequest(): PublishRequest {
    this.#expect(OPENING_BRACE);
    if (this.#readString() !== "messages") throw NOT_PLAIN;
    this.#expect(COLON);
    const messages = this.#readList(() => this.#readMessage(), MAX_MESSAGES);
    this.#expect(CLOSING_BRACE);
    this.#skipSpace();
    if (this.#at !== this.#text.length) throw NOT_PLAIN;
    return { messages };
  }

  #readMessage(): PublishMessage {
    const message = createMessage();
    let seen = 0;
    let json: string | undefined;
    this.#expect(OPENING_BRACE);
    do {
      const name = this.#readString();
      const bit = MEMBERS.get(name);
      if (bit === undefined || (seen & bit) !== 0) throw NOT_PLAIN;
      seen |= bit;
      this.#expect(COLON);
      switch (name) {
        case "topics":
          message.topics = this.#readList(() => this.#readName(), MAX_BYTES);
          break;
        case "payload":
          message.payload = decodeBase64(this.#readString());
          break;
        case "json":
          json = this.#readValue();
          break;
        case "text":
          message.text = this.#readString();
          break;
        default:
          message[name as "broker" | "command" | "event" | "id"] = this.#readName();
      }
    } while (this.#continues(CLOSING_BRACE));
    if (json === undefined) return message;
    // The generated code refuses a payload in two forms.
    if (message.payload.length > 0 || message.text !== "") throw NOT_PLAIN;
    message.payload = Buffer.from(json);
    return message;
  }

  #readList<Item>(readItem: () => Item, limit: number): Item[] {
    const items: Item[] = [];
    this.#expect(OPENING_BRACKET);
    if (this.#peek() === CLOSING_BRACKET) {
      this.#at += 1;
      return items;
    }
    do {
      if (items.length >= limit) throw NOT_PLAIN;
      items.push(readItem());
    } while (this.#continues(CLOSING_BRACKET));
    return items;
  }

  /** Reads a short text that may outlive the request. V8 copies slices of up to 12 characters; longer ones hold the whole text. */
  #readName(): string {
    const name = this.#readString();
    return name.length > 12 ? Buffer.from(name).toString() : name;
  }

  #readString(): string {
    this.#expect(QUOTE);
    const text = this.#text;
    const begin = this.#at;
    const quote = text.indexOf('"', begin);
    if (quote === -1) throw NOT_PLAIN;
    const plain = text.slice(begin, quote);
    if (!ESCAPED_OR_CONTROL.test(plain)) {
      this.#at = quote + 1;
      return plain;
    }
    this.#at = begin - 1;
    this.#skipString();
    const value = JSON.parse(text.slice(begin - 1, this.#at)) as string;
    if (LONE_SURROGATE.test(value)) throw NOT_PLAIN;
    return value;
  }

  /** Reads the text of a value of any type. */
  #readValue(): string {
    const text = this.#text;
    this.#skipSpace();
    const begin = this.#at;
    let depth = 0;
    for (; this.#at < text.length; this.#at += 1) {
      const code = text.charCodeAt(this.#at);
      if (code === QUOTE) {
        this.#skipString();
        this.#at -= 1;
      } else if (code === OPENING_BRACE || code === OPENING_BRACKET) {
        depth += 1;
      } else if (code === CLOSING_BRACE || code === CLOSING_BRACKET) {
        if (depth === 0) break;
        depth -= 1;
      } else if (code === COMMA && depth === 0) {
        break;
      }
    }
    const value = text.slice(begin, this.#at).trimEnd();
    JSON.parse(value);
    return value;
  }

  /** Skips a string in quotes, or the rest of the text. */
  #skipString(): void {
    const text = this.#text;
    let at = this.#at + 1;
    while (at < text.length && text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
    this.#at = at + 1;
  }

  /** Takes a comma, or the end of an object or a list. @returns whether it was a comma */
  #continues(end: number): boolean {
    const code = this.#peek();
    if (code !== COMMA && code !== end) throw NOT_PLAIN;
    this.#at += 1;
    return code === COMMA;
  }

  #expect(code: number): void {
    if (this.#peek() !== code) throw NOT_PLAIN;
    this.#at += 1;
  }

  /** Returns the next character that is not white space; NaN at the end. */
  #peek(): number {
    const code = this.#text.charCodeAt(this.#at);
    if (code > SPACE) return code;
    this.#skipSpace();
    return this.#text.charCodeAt(this.#at);
  }

  #skipSpace(): void {
    while (WHITE_SPACE.has(this.#text.charCodeAt(this.#at))) this.#at += 1;
  }
}

/** @throws Error unless it is base64 with complete groups, in either alphabet */
function decodeBase64(text: string): Uint8Array {
  if (!BASE64.test(text)) throw NOT_PLAIN;
  const padded = text.endsWith("=");
  if (padded ? text.length % 4 !== 0 : text.length % 4 === 1) throw NOT_PLAIN;
  return Buffer.from(text, "base64");
}

/** Name of each stage but the unspecified one, which JSON omits. */
const STAGE_NAMES: readonly (string | undefined)[] = Object.values(Stage)
  .filter((stage) => typeof stage === "number")
  .map((stage) => (stage === Stage.UNSPECIFIED ? undefined : StageSchema.value[stage]?.name));

function writeResponse({ ok, receipts }: PublishResponse): string {
  if (receipts.length === 0) return JSON.stringify({ ok });
  return `{"ok":${ok},"receipts":[${receipts.map(writeReceipt).join(",")}]}`;
}

function writeReceipt(receipt: PublishReceipt): string {
  const { id, position, stage } = receipt;
  const name = STAGE_NAMES[stage];
  if (position !== undefined || receipt.topics !== undefined || name === undefined || id === "")
    return JSON.stringify(toJsonReceipt(receipt));
  return `{"id":${JSON.stringify(id)},"stage":"${name}"${receipt.duplicate === true ? ',"duplicate":true' : ""}}`;
}

/** Returns the members in the order of their numbers. JSON.stringify omits the undefined ones. */
function toJsonReceipt({ duplicate, id, position, stage, topics }: PublishReceipt): object {
  return {
    id: id || undefined,
    stage: STAGE_NAMES[stage],
    position: position || undefined,
    duplicate: duplicate || undefined,
    topics: topics && omitEmpty(topics.map(toJsonTopic)),
  };
}

function toJsonTopic({ duplicate, position, topic }: TopicReceipt): object {
  return { topic: topic || undefined, position: position || undefined, duplicate: duplicate || undefined };
}

function omitEmpty<Item>(list: readonly Item[]): readonly Item[] | undefined {
  return list.length === 0 ? undefined : list;
}
