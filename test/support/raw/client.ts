import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { cleanUp } from "../clean-up.js";

/** Opcodes. Source: RFC 6455 §5.2. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface RawFrame {
  readonly opcode: number;
  readonly final: boolean;
  readonly payload: Buffer;
}

export interface FrameOptions {
  /** FIN bit. Default: true. */
  readonly final?: boolean;
  /** MASK bit, which clients must set. Default: true. */
  readonly masked?: boolean;
  /** Reserved bits, 0 to 7. Default: 0. */
  readonly reserved?: number;
  /** Length field of the header, written in 64 bits. Default: the payload's length. */
  readonly claims?: bigint;
}

const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

/** Encodes a client frame. */
export function frame(opcode: number, payload: string | Uint8Array = "", options: FrameOptions = {}): Buffer {
  const { claims, final = true, masked = true, reserved = 0 } = options;
  const bytes = Buffer.from(payload);
  const first = (final ? 0x80 : 0) | (reserved << 4) | opcode;
  const maskBit = masked ? 0x80 : 0;
  let header: Buffer;
  if (claims !== undefined || bytes.length > 65_535) {
    header = Buffer.alloc(10);
    header.writeBigUInt64BE(claims ?? BigInt(bytes.length), 2);
    header[1] = maskBit | 127;
  } else if (bytes.length > 125) {
    header = Buffer.alloc(4);
    header.writeUInt16BE(bytes.length, 2);
    header[1] = maskBit | 126;
  } else {
    header = Buffer.alloc(2);
    header[1] = maskBit | bytes.length;
  }
  header[0] = first;
  if (!masked) return Buffer.concat([header, bytes]);
  return Buffer.concat([header, MASK, bytes.map((byte, position) => byte ^ (MASK[position % 4] ?? 0))]);
}

/** Encodes a text frame that holds an object as JSON. */
export function command(fields: object): Buffer {
  return frame(OPCODE.text, JSON.stringify(fields));
}

/** Encodes a close frame; without a code, its body is empty. */
export function closeFrame(code?: number, reason = ""): Buffer {
  if (code === undefined) return frame(OPCODE.close);
  const body = Buffer.alloc(2 + Buffer.byteLength(reason));
  body.writeUInt16BE(code);
  body.write(reason, 2);
  return frame(OPCODE.close, body);
}

/** Formats an upgrade request. Given headers replace the defaults; undefined omits one. */
export function upgradeRequest(path = "/ws", headers: Record<string, string | undefined> = {}, method = "GET"): string {
  const all = {
    Host: "test",
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return `${method} ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
}

export interface RawResponse {
  readonly status: number;
  /** Values by lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** A TCP connection to a node that sends given bytes unchanged, and parses the answers. */
export class RawClient {
  readonly socket: Socket;
  /** Resolves when the connection has ended, with the error that ended it, if any. */
  readonly gone: Promise<Error | undefined>;
  #buffer: Buffer = Buffer.alloc(0);
  /** Chunks received since the buffer was last read. They are joined then, so that bytes are copied once. */
  #chunks: Buffer[] = [];
  #over = false;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    let cause: Error | undefined;
    socket.on("error", (error) => {
      cause = error;
    });
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#wake?.();
    });
    const over = (): void => {
      this.#over = true;
      this.#wake?.();
    };
    socket.once("end", over);
    this.gone = new Promise((resolve) => {
      socket.once("close", () => {
        over();
        resolve(cause);
      });
    });
  }

  /** Sends all bytes in one write. */
  send(...parts: readonly (string | Uint8Array)[]): void {
    this.socket.write(Buffer.concat(parts.map((part) => Buffer.from(part))));
  }

  /** Reads the next HTTP response. Frames follow a 101. */
  async response(): Promise<RawResponse> {
    const head = await this.#until(() => {
      const end = this.#buffer.indexOf("\r\n\r\n");
      return end === -1 ? undefined : this.#take(end + 4).toString("latin1");
    });
    const [statusLine = "", ...lines] = head.trimEnd().split("\r\n");
    const headers = new Map(lines.map((line) => headerOf(line)));
    const status = Number(statusLine.split(" ")[1]);
    if (status === 101) {
      return { status, headers, body: "" };
    }
    const body =
      headers.get("transfer-encoding") === "chunked"
        ? await this.#chunkedBody()
        : await this.bytes(Number(headers.get("content-length") ?? 0));
    return { status, headers, body: body.toString("utf8") };
  }

  /** Sends an upgrade request and further bytes in one write, and reads the 101. */
  async upgrade(path = "/ws", ...behind: readonly Uint8Array[]): Promise<void> {
    this.send(upgradeRequest(path), ...behind);
    const { body, status } = await this.response();
    if (status !== 101) throw new Error(`not upgraded: ${status} ${body}`);
  }

  /** Reads the next frame. Rejects when the connection ends first. */
  next(): Promise<RawFrame> {
    return this.#until(() => this.#takeFrame());
  }

  /** Reads the next frame, which must be text. */
  async nextText(): Promise<string> {
    const { opcode, payload } = await this.next();
    if (opcode !== OPCODE.text) throw new Error(`expected text, got opcode ${opcode}: ${payload.toString("latin1")}`);
    return payload.toString("utf8");
  }

  /** Reads the next frame's text as an object. */
  async nextJson(): Promise<Record<string, unknown>> {
    return JSON.parse(await this.nextText()) as Record<string, unknown>;
  }

  /** Reads the next frame, which must be a close. Returns `1013 slow consumer`, or the empty string without a code. */
  async nextClose(): Promise<string> {
    const { opcode, payload } = await this.next();
    if (opcode !== OPCODE.close) throw new Error(`expected a close, got opcode ${opcode}: ${payload.toString()}`);
    return closeText(payload);
  }

  /** Joins topics and reads the answer. */
  async join(...topics: string[]): Promise<void> {
    this.send(command({ command: "join", topics }));
    const answer = await this.nextJson();
    if (answer["topic"] !== "@join") throw new Error(`not joined: ${JSON.stringify(answer)}`);
  }

  /** Resolves when the server has ended its side of the connection. */
  async ended(): Promise<void> {
    await this.#until(() => (this.#over ? true : undefined));
  }

  /** The next `length` bytes. Rejects when the connection ends first. */
  bytes(length: number): Promise<Buffer> {
    return this.#until(() => (this.#buffer.length < length ? undefined : this.#take(length)));
  }

  /** Reads a chunked body. Source: RFC 9112 §7.1. */
  async #chunkedBody(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for (;;) {
      const line = await this.#until(() => {
        const end = this.#buffer.indexOf("\r\n");
        return end === -1 ? undefined : this.#take(end + 2).toString("latin1");
      });
      const length = Number.parseInt(line, 16);
      const chunk = await this.bytes(length + 2);
      if (length === 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, length));
    }
  }

  async #until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      if (this.#chunks.length > 0) this.#buffer = Buffer.concat([this.#buffer, ...this.#chunks.splice(0)]);
      const found = look();
      if (found !== undefined) return found;
      if (this.#over) throw new Error(`the connection ended; unread: ${this.#buffer.toString("latin1").slice(0, 200)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #take(length: number): Buffer {
    const taken = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    return taken;
  }

  #takeFrame(): RawFrame | undefined {
    const [first, second] = this.#buffer;
    if (first === undefined || second === undefined) return undefined;
    if ((second & 0x80) !== 0 || (first & 0x70) !== 0) throw new Error("a server's frame is unmasked and plain");
    const begin = second < 126 ? 2 : second === 126 ? 4 : 10;
    if (this.#buffer.length < begin) return undefined;
    let length = second;
    if (second === 126) length = this.#buffer.readUInt16BE(2);
    if (second === 127) length = Number(this.#buffer.readBigUInt64BE(2));
    if (this.#buffer.length < begin + length) return undefined;
    const payload = Buffer.from(this.#take(begin + length).subarray(begin));
    return { opcode: first & 0x0f, final: (first & 0x80) !== 0, payload };
  }
}

/** Formats a close frame as `1013 slow consumer`; as the empty string without a code. */
export function closeText(payload: Buffer): string {
  return payload.length === 0 ? "" : `${payload.readUInt16BE()} ${payload.subarray(2).toString()}`.trimEnd();
}

/** Connects to the host and port of a URL, and destroys the connection after the test. */
export async function connectRaw(url: string, options: { allowHalfOpen?: boolean } = {}): Promise<RawClient> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true, ...options });
  cleanUp(() => {
    socket.destroy();
  });
  await once(socket, "connect");
  return new RawClient(socket);
}

/** Connects and upgrades on `/ws`. Returns the raw client of the WebSocket. */
export async function openRaw(url: string, path = "/ws"): Promise<RawClient> {
  const client = await connectRaw(url);
  await client.upgrade(path);
  return client;
}

function headerOf(line: string): [name: string, value: string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}
