/** The text packets of WebRocket's backends: lines, each ended by `\n`, and `\r\n\r\n` after the last. */

const END = Buffer.from("\r\n\r\n");
const LINE_END = 0x0a;

/** Most bytes of the line that says who it is: the longest vhost, two fixed lengths, and what is between them. */
const MOST_IDENTITY = 512;

/** What is kept for the next packet when one has been read, in bytes. */
const MOST_KEPT = 65_536;

/** Most lines of a packet; the longest that there is has six. */
const MOST_LINES = 16;

export interface Packet {
  /** What the packet begins with. */
  readonly identity: string;
  readonly command: string;
  readonly frames: readonly string[];
}

/** Nothing that can be read: there is no saying where the next packet begins. */
export class MalformedPacket extends Error {
  override readonly name = "MalformedPacket";
}

/** Puts packets together of what comes on a connection. It never holds more than one packet may have, and one chunk. */
export class PacketReader {
  readonly #limit: number;
  #bytes = Buffer.alloc(0);
  #begin = 0;
  #end = 0;
  /** No packet ends before. */
  #searched = 0;

  /** @param limit - most bytes of a packet */
  constructor(limit: number) {
    this.#limit = limit;
  }

  push(chunk: Uint8Array): void {
    this.#makeRoom(chunk.length);
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /**
   * What the packet begins with that is coming in, before it is complete; undefined while that is not there.
   * @throws MalformedPacket
   */
  identity(): string | undefined {
    const head = this.#bytes.subarray(this.#begin, Math.min(this.#end, this.#begin + MOST_IDENTITY));
    const end = head.indexOf(LINE_END);
    if (end === -1 && head.length === MOST_IDENTITY) throw new MalformedPacket("the first line is too long");
    return end === -1 ? undefined : textOf(head.subarray(0, end));
  }

  /** The next packet, if it is complete. @throws MalformedPacket */
  next(): Packet | undefined {
    const known = this.#bytes.subarray(0, this.#end);
    const end = known.indexOf(END, Math.max(this.#begin, this.#searched - END.length + 1));
    this.#searched = this.#end;
    if ((end === -1 ? this.#end : end) - this.#begin > this.#limit) throw new MalformedPacket("too large");
    if (end === -1) return undefined;
    const packet = packetOf(known.subarray(this.#begin, end));
    this.#begin = end + END.length;
    this.#searched = this.#begin;
    if (this.#begin === this.#end) this.#forget();
    return packet;
  }

  #forget(): void {
    this.#begin = 0;
    this.#end = 0;
    this.#searched = 0;
    if (this.#bytes.length > MOST_KEPT) this.#bytes = Buffer.alloc(0);
  }

  /** At least doubled each time, so that small chunks of a large packet are not copied over and over. */
  #makeRoom(length: number): void {
    if (this.#end + length <= this.#bytes.length) return;
    const rest = this.#bytes.subarray(this.#begin, this.#end);
    const needed = rest.length + length;
    const larger = needed * 2 > this.#bytes.length || this.#begin === 0 ? Buffer.alloc(needed * 2) : this.#bytes;
    rest.copy(larger);
    this.#bytes = larger;
    this.#searched = Math.max(0, this.#searched - this.#begin);
    this.#begin = 0;
    this.#end = rest.length;
  }
}

function packetOf(bytes: Uint8Array): Packet {
  const text = textOf(bytes);
  // The last line has its end before that of the packet; where it has none, nothing else can be meant.
  const lines = (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n", MOST_LINES + 1);
  if (lines.length > MOST_LINES) throw new MalformedPacket("too many lines");
  const [identity = "", empty, command = "", ...frames] = lines;
  if (empty !== "" || command === "") throw new MalformedPacket("expected an identity, an empty line, and a command");
  return { identity, command, frames };
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new MalformedPacket("not UTF-8", { cause });
  }
}

/** A packet of the server's. @param lines - none of which holds a line end */
export function packetText(...lines: readonly string[]): string {
  return `${lines.join("\n")}\n\r\n\r\n`;
}
