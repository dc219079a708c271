import { connect, type Socket } from "node:net";
import { maskedClose, maskedPong, maskedText } from "./frames.js";
import { MARK, microseconds, NUMBER_DIGITS, TIME_DIGITS, TOPIC_DIGITS } from "./payload.js";
import type { Tally } from "./tally.js";

const MARK_BYTE = MARK.charCodeAt(0);
const ZERO = 0x30;
const PING = 9;
const CLOSE = 8;

/** What a client says until it is ready. */
export interface Hello {
  /** Texts that it sends once connected, and after each frame that is no numbered message; then no more. */
  readonly says: readonly (readonly string[])[];
  /** So many of those frames make it ready. */
  readonly answers: number;
}

export interface ReceiverOptions {
  readonly port: number;
  readonly path: string;
  /** The local address to connect from: each has ports of its own. */
  readonly from: string;
  readonly hello: Hello;
  readonly tally: Tally;
  readonly onReady: (fault?: string) => void;
}

/**
 * A WebSocket client that does as little as can be: it shakes hands, says what it has to, and reads the numbers of
 * the messages that come. A full client library would cost the load more than the server under test.
 */
export class Receiver {
  readonly #socket: Socket;
  #tally: Tally;
  readonly #onReady: (fault?: string) => void;
  #says: Hello["says"];
  #answers: number;
  #rest: Buffer | undefined;
  #open = false;
  #gone = false;
  // Nearly every client is in one topic: a map is made for those that are in more.
  #topic = -1;
  #last = 0;
  #others: Map<number, number> | undefined;

  constructor({ from, hello, onReady, path, port, tally }: ReceiverOptions) {
    this.#tally = tally;
    this.#onReady = onReady;
    this.#says = hello.says;
    this.#answers = hello.answers;
    this.#socket = connect({ port, host: "127.0.0.1", localAddress: from, noDelay: true });
    this.#socket.write(
      `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n` +
        `sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
    );
    this.#socket.on("data", this.#onData);
    this.#socket.on("error", (cause) => {
      onReady(cause.message);
    });
    this.#socket.on("close", () => {
      if (!this.#gone) this.#tally.counts.closed += 1;
    });
  }

  /** Stops reading. @param tally - counts what it reads from now on */
  pause(tally: Tally): void {
    this.#tally = tally;
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** By a reset: nothing of it stays in the system. */
  close(): void {
    this.#gone = true;
    this.#socket.resetAndDestroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    const data = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    if (this.#open) {
      this.#read(data);
      return;
    }
    const end = data.indexOf("\r\n\r\n");
    if (end === -1) {
      this.#rest = data;
      return;
    }
    this.#open = true;
    this.#say();
    if (this.#answers === 0) this.#onReady();
    this.#read(data.subarray(end + 4));
  };

  #read(data: Buffer): void {
    const now = this.#tally.latency === undefined ? 0 : microseconds();
    let offset = 0;
    while (offset + 2 <= data.length) {
      const short = (data[offset + 1] ?? 0) & 0x7f;
      const header = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (offset + header > data.length) break;
      const length =
        short < 126 ? short : short === 126 ? data.readUInt16BE(offset + 2) : data.readUInt32BE(offset + 6);
      const end = offset + header + length;
      if (end > data.length) break;
      this.#take(data, offset, offset + header, end, now);
      offset = end;
    }
    if (offset < data.length) this.#rest = Buffer.from(data.subarray(offset));
  }

  #take(data: Buffer, begin: number, payload: number, end: number, now: number): void {
    const mark = data.indexOf(MARK_BYTE, payload);
    if (mark !== -1 && mark < end && digit(data[mark + 1])) {
      this.#count(data, mark + 1, now);
      return;
    }
    const opcode = (data[begin] ?? 0) & 0x0f;
    if (opcode === PING) {
      this.#socket.write(maskedPong(data.subarray(payload, end)));
    } else if (opcode === CLOSE) {
      this.#socket.end(maskedClose());
    } else if (mark !== -1 && mark < end) {
      this.#onReady(data.toString("utf8", payload, end));
    } else {
      this.#say();
      this.#answers -= 1;
      if (this.#answers === 0) this.#onReady();
    }
  }

  #say(): void {
    const [texts = [], ...more] = this.#says;
    this.#says = more;
    for (const text of texts) this.#socket.write(maskedText(text));
  }

  #count(data: Buffer, offset: number, now: number): void {
    const number = digits(data, offset, NUMBER_DIGITS);
    const topic = digits(data, offset + NUMBER_DIGITS, TOPIC_DIGITS);
    const { counts, latency } = this.#tally;
    if (latency !== undefined) latency.add(now - digits(data, offset + NUMBER_DIGITS + TOPIC_DIGITS, TIME_DIGITS));
    const last = this.#lastOf(topic);
    if (number === last) counts.duplicated += 1;
    else if (number < last) counts.misordered += 1;
    else if (topic === this.#topic) this.#last = number;
    else this.#others?.set(topic, number);
    this.#tally.count();
  }

  #lastOf(topic: number): number {
    if (topic === this.#topic) return this.#last;
    if (this.#topic === -1) {
      this.#topic = topic;
      return 0;
    }
    this.#others ??= new Map();
    return this.#others.get(topic) ?? 0;
  }
}

function digit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte < ZERO + 10;
}

function digits(data: Buffer, offset: number, count: number): number {
  let number = 0;
  for (let position = offset; position < offset + count; position += 1) {
    number = number * 10 + (data[position] ?? ZERO) - ZERO;
  }
  return number;
}
