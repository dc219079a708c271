/** Text packets of WebRocket's backends. Each line ends with `\n`, and `\r\n\r\n` follows the last one. */

const END = Buffer.from("\r\n\r\n");
const LINE_END = 0x0a;

/** Largest identity, in bytes: the longest vhost, the fields of fixed length, and the separators. */
const MAX_IDENTITY = 512;

/** Largest buffer that is kept for the next packet, in bytes. */
const MAX_KEPT = 65_536;

/** Maximum number of lines of a packet. The longest packet of the protocol has six. */
const MAX_LINES = 16;

export interface Packet {
  /** Line before the empty line; undefined for a bare packet, which begins with its command. */
  readonly identity: string | undefined;
  readonly command: string;
  readonly frames: readonly string[];
}

/** Error for a packet that cannot be read. The beginning of the next packet is unknown. */
export class MalformedPacket extends Error {
  override readonly name = "MalformedPacket";
}

/** Assembles the packets of a connection. Holds at most one packet and one chunk. */
export class PacketReader {
  readonly #limit: number;
  #bytes = Buffer.alloc(0);
  #begin = 0;
  #end = 0;
  /** Position up to which the end of a packet has been searched for. */
  #searched = 0;

  /** @param limit - largest packet, in bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Number of bytes that were received but not read yet. */
  get pending(): number {
    return this.#end - this.#begin;
  }

  push(chunk: Uint8Array): void {
    this.#makeRoom(chunk.length);
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /**
   * Returns the first line of the next packet, which may still be incomplete. It is decoded as Latin-1, because an identity
   * is ASCII. A line that is longer than any identity is truncated.
   * @returns undefined while the line is incomplete
   */
  firstLine(): string | undefined {
    const head = this.#bytes.subarray(this.#begin, Math.min(this.#end, this.#begin + MAX_IDENTITY));
    const end = head.indexOf(LINE_END);
    if (end === -1 && head.length < MAX_IDENTITY) return undefined;
    return head.toString("latin1", 0, end === -1 ? head.length : end);
  }

  /** Returns the next packet if it is complete. @throws MalformedPacket */
  next(): Packet | undefined {
    const known = this.#bytes.subarray(0, this.#end);
    const end = known.indexOf(END, Math.max(this.#begin, this.#searched - END.length + 1));
    this.#searched = this.#end;
    if ((end === -1 ? this.#end : end) - this.#begin > this.#limit) throw new MalformedPacket("too large");
    if (end === -1) return undefined;
    const packet = parsePacket(known.subarray(this.#begin, end));
    this.#begin = end + END.length;
    this.#searched = this.#begin;
    if (this.#begin === this.#end) this.#forget();
    return packet;
  }

  #forget(): void {
    this.#begin = 0;
    this.#end = 0;
    this.#searched = 0;
    if (this.#bytes.length > MAX_KEPT) this.#bytes = Buffer.alloc(0);
  }

  /** Grows the buffer to at least twice its size, so that small chunks of a large packet are not copied repeatedly. */
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

function parsePacket(bytes: Uint8Array): Packet {
  const text = decodeText(bytes);
  // The last line should end before the packet does. A missing line end is accepted, because it is unambiguous.
  const lines = (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n", MAX_LINES + 1);
  if (lines.length > MAX_LINES) throw new MalformedPacket("too many lines");
  const [first = "", empty, command = "", ...frames] = lines;
  const packet =
    empty === "" && lines.length > 2
      ? { identity: first, command, frames }
      : { identity: undefined, command: first, frames: lines.slice(1) };
  if (packet.command === "") throw new MalformedPacket("expected a command");
  return packet;
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new MalformedPacket("not UTF-8", { cause });
  }
}

/**
 * Encodes a packet. A packet without frames has an empty second line, because clients read a command and at least one more
 * line.
 */
export function packetText(command: string, ...frames: readonly string[]): string {
  return `${command}\n${frames.join("\n")}\n\r\n\r\n`;
}
