import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";

/** What one receiver has seen of numbered messages. */
export interface Tally {
  received: number;
  duplicated: number;
  misordered: number;
}

/** Stands before the number in every payload. */
export const NUMBER_MARK = "#";
const MARK_BYTE = NUMBER_MARK.charCodeAt(0);
const DIGITS = 10;
const ZERO = 0x30;

/** A message's payload: its number, and filling up to `size` bytes. */
export function numbered(number: number, size: number): string {
  return `${NUMBER_MARK}${String(number).padStart(DIGITS, "0")}`.padEnd(size, "x");
}

/**
 * A WebSocket client that does as little as can be: it shakes hands, sends one frame, and reads the numbers of the
 * messages that come. A full client library would cost the load more than the server under test.
 */
export class Receiver {
  readonly tally: Tally = { received: 0, duplicated: 0, misordered: 0 };
  readonly #socket: Socket;
  readonly #onMessage: () => void;
  #rest: Buffer | undefined;
  #open = false;
  #last = 0;

  /** @param onMessage - called for each numbered message */
  constructor(port: number, path: string, hello: string | undefined, onOpen: () => void, onMessage: () => void) {
    this.#onMessage = onMessage;
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.setNoDelay(true);
    const key = randomBytes(16).toString("base64");
    this.#socket.write(
      `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n` +
        `sec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\n\r\n`,
    );
    this.#socket.on("data", (chunk: Buffer) => {
      let data = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
      this.#rest = undefined;
      if (!this.#open) {
        const end = data.indexOf("\r\n\r\n");
        if (end === -1) {
          this.#rest = data;
          return;
        }
        this.#open = true;
        data = data.subarray(end + 4);
        if (hello === undefined) onOpen();
        else this.#socket.write(maskedText(hello));
      }
      this.#read(data, onOpen);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(data: Buffer, onOpen: () => void): void {
    let offset = 0;
    while (offset + 2 <= data.length) {
      const short = (data[offset + 1] ?? 0) & 0x7f;
      const header = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (offset + header > data.length) break;
      const length =
        short < 126 ? short : short === 126 ? data.readUInt16BE(offset + 2) : data.readUInt32BE(offset + 6);
      const end = offset + header + length;
      if (end > data.length) break;
      const mark = data.indexOf(MARK_BYTE, offset + header);
      if (mark === -1 || mark >= end) onOpen();
      else this.#count(data, mark + 1);
      offset = end;
    }
    if (offset < data.length) this.#rest = Buffer.from(data.subarray(offset));
  }

  #count(data: Buffer, offset: number): void {
    let number = 0;
    for (let digit = 0; digit < DIGITS; digit += 1) number = number * 10 + (data[offset + digit] ?? ZERO) - ZERO;
    this.tally.received += 1;
    if (number === this.#last) this.tally.duplicated += 1;
    else if (number < this.#last) this.tally.misordered += 1;
    else this.#last = number;
    this.#onMessage();
  }
}

/** A client's text frame, masked with zeros: legal, and nothing to compute. */
function maskedText(text: string): Buffer {
  const payload = Buffer.from(text);
  if (payload.length > 125) throw new Error("longer than a short frame");
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}
