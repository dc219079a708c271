import { connect, type Socket } from "node:net";
import { maskedClose, maskedPong, maskedText } from "./frames.js";
import { MARK, microseconds, NUMBER_DIGITS, TIME_DIGITS, TOPIC_DIGITS } from "./payload.js";
import type { Tally } from "./tally.js";

const MARK_BYTE = MARK.charCodeAt(0);
const ZERO = 0x30;
const LINE_FEED = 0x0a;
const PING = 9;
const CLOSE = 8;

/** Texts that a client sends until it is ready. */
export interface Hello {
  /** Texts to send once connected, and then after each frame that is not a numbered message. */
  readonly says: readonly (readonly string[])[];
  /** Number of those frames after which the client is ready. */
  readonly answers: number;
  /** Text of the frame with which the client is ready, for servers that vary the number of frames. */
  readonly until?: string;
  /** Line with which the server pings, alone in a frame or among messages; the client sends it back. */
  readonly ping?: string;
}

export interface ReceiverOptions {
  readonly port: number;
  readonly path: string;
  /** Local address to connect from; each address has its own ports. */
  readonly from: string;
  readonly hello: Hello;
  readonly tally: Tally;
  readonly onReady: (fault?: string) => void;
}

/**
 * Minimal WebSocket client: it makes the handshake, sends its texts, and reads the numbers of messages. A full client library
 * would cost the load more than the server under test.
 */
export class Receiver {
  readonly #socket: Socket;
  #tally: Tally;
  readonly #onReady: (fault?: string) => void;
  readonly #until: string | undefined;
  readonly #ping: Buffer | undefined;
  #says: Hello["says"];
  #answers: number;
  #rest: Buffer | undefined;
  #open = false;
  #closed = false;
  // Nearly every client is in one topic; only clients in more topics get a map.
  #topic = -1;
  #last = 0;
  #others: Map<number, number> | undefined;

  constructor({ from, hello, onReady, path, port, tally }: ReceiverOptions) {
    this.#tally = tally;
    this.#onReady = onReady;
    this.#says = hello.says;
    this.#answers = hello.answers;
    this.#until = hello.until;
    this.#ping = hello.ping === undefined ? undefined : Buffer.from(hello.ping);
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
      if (!this.#closed) this.#tally.counts.closed += 1;
      onReady("closed before it was ready");
    });
  }

  /** Stops reading. @param tally - counts later messages */
  pause(tally: Tally): void {
    this.#tally = tally;
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Closes the connection by a reset, so that the system keeps no state of it. */
  close(): void {
    this.#closed = true;
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
    this.#sendNext();
    if (this.#answers === 0) this.#onReady();
    this.#read(data.subarray(end + 4));
  };

  #read(data: Buffer): void {
    const now = this.#tally.latency === undefined ? 0 : microseconds();
    let offset = 0;
    let mark = data.indexOf(MARK_BYTE);
    let ping = this.#findPing(data, 0);
    while (offset + 2 <= data.length) {
      const short = (data[offset + 1] ?? 0) & 0x7f;
      const header = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (offset + header > data.length) break;
      const length =
        short < 126 ? short : short === 126 ? data.readUInt16BE(offset + 2) : data.readUInt32BE(offset + 6);
      const payload = offset + header;
      const end = payload + length;
      if (end > data.length) break;
      if (ping !== -1 && ping < end) {
        this.#pong(data, ping, payload, end);
        ping = this.#findPing(data, end);
      }
      if (mark !== -1 && mark < payload) mark = data.indexOf(MARK_BYTE, payload);
      if (mark === -1 || mark >= end || !isDigit(data[mark + 1])) {
        this.#takeOther(data, offset, payload, end);
      } else {
        // A frame may have several messages.
        for (; mark !== -1 && mark < end; mark = data.indexOf(MARK_BYTE, mark + 1)) this.#count(data, mark + 1, now);
      }
      offset = end;
    }
    if (offset < data.length) this.#rest = Buffer.from(data.subarray(offset));
  }

  #findPing(data: Buffer, offset: number): number {
    return this.#ping === undefined ? -1 : data.indexOf(this.#ping, offset);
  }

  /** Sends a ping back, unless the text found is part of a longer line of the frame. */
  #pong(data: Buffer, begin: number, payload: number, frameEnd: number): void {
    const { length = 0 } = this.#ping ?? {};
    const end = begin + length;
    const begins = begin === payload || (begin > payload && data[begin - 1] === LINE_FEED);
    if (begins && (end === frameEnd || data[end] === LINE_FEED)) {
      this.#socket.write(maskedText(data.toString("utf8", begin, end)));
    }
  }

  /** Takes a frame without messages. */
  #takeOther(data: Buffer, begin: number, payload: number, end: number): void {
    const opcode = (data[begin] ?? 0) & 0x0f;
    if (opcode === PING) {
      this.#socket.write(maskedPong(data.subarray(payload, end)));
    } else if (opcode === CLOSE) {
      this.#socket.end(maskedClose());
    } else {
      this.#takeAnswer(data.toString("utf8", payload, end));
    }
  }

  #takeAnswer(text: string): void {
    if (text.includes(MARK) || (this.#until !== undefined && text.includes('"error"'))) {
      this.#onReady(text);
    } else {
      this.#sendNext();
      this.#answers -= 1;
      if (this.#until === undefined ? this.#answers === 0 : text.includes(this.#until)) this.#onReady();
    }
  }

  #sendNext(): void {
    const [texts = [], ...more] = this.#says;
    this.#says = more;
    for (const text of texts) this.#socket.write(maskedText(text));
  }

  #count(data: Buffer, offset: number, now: number): void {
    const number = parseDigits(data, offset, NUMBER_DIGITS);
    const topic = parseDigits(data, offset + NUMBER_DIGITS, TOPIC_DIGITS);
    const { counts, latency } = this.#tally;
    if (latency !== undefined) latency.add(now - parseDigits(data, offset + NUMBER_DIGITS + TOPIC_DIGITS, TIME_DIGITS));
    const last = this.#readLast(topic);
    if (number === last) counts.duplicated += 1;
    else if (number < last) counts.misordered += 1;
    else if (topic === this.#topic) this.#last = number;
    else this.#others?.set(topic, number);
    this.#tally.count();
  }

  #readLast(topic: number): number {
    if (topic === this.#topic) return this.#last;
    if (this.#topic === -1) {
      this.#topic = topic;
      return 0;
    }
    this.#others ??= new Map();
    return this.#others.get(topic) ?? 0;
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte < ZERO + 10;
}

function parseDigits(data: Buffer, offset: number, count: number): number {
  let number = 0;
  for (let position = offset; position < offset + count; position += 1) {
    number = number * 10 + (data[position] ?? ZERO) - ZERO;
  }
  return number;
}
