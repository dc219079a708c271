import { once } from "node:events";
import { connect, type Socket } from "node:net";
import {
  dataFrame,
  ERROR_NAMES,
  FLAG,
  FRAME_TYPE,
  FrameParser,
  headersFrame,
  PREFACE,
  pingFrame,
  type ReceivedFrame,
  SETTINGS_ACK,
  type SettingEntry,
  settingsFrame,
} from "../../../bench/fuzz/http2-frames.js";
import { type HeaderPair, literalHeaders, readHeaders } from "../../../bench/fuzz/http2-headers.js";
import { cleanUp } from "../clean-up.js";

export interface Http2PeerOptions {
  /** Sends the preface and settings at once. Default: true. */
  readonly opens?: boolean;
  /** The peer's settings. Default: none. */
  readonly settings?: readonly SettingEntry[];
  /** Acknowledges settings and pings. Default: as `opens`. */
  readonly acknowledges?: boolean;
  /** Keeps its side open when the server has closed. Default: false. */
  readonly allowHalfOpen?: boolean;
}

export interface Http2Goaway {
  /** Name of the error code. */
  readonly code: string;
  readonly lastStream: number;
}

/** Everything that the server sent on a stream. */
export interface Http2Answer {
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  readonly trailers: ReadonlyMap<string, string>;
  /** Name of the error code with which the server has reset the stream; undefined: it has ended the stream. */
  readonly reset: string | undefined;
  /** Payload bytes of each DATA frame. */
  readonly pieces: readonly number[];
}

/** How the server reacted: `tolerated`, `closed`, `RST_STREAM name of the code` or `GOAWAY name of the code`. */
export type Outcome = string;

/** An HTTP/2 connection that sends given frames unchanged, valid or not, and parses the answers. */
export class Http2Peer {
  readonly socket: Socket;
  /** GOAWAY frames in order. */
  readonly goaways: Http2Goaway[] = [];
  /** Resolves when the connection has ended. */
  readonly closed: Promise<void>;
  readonly #frames: ReceivedFrame[] = [];
  readonly #byStream = new Map<number, ReceivedFrame[]>();
  readonly #splitter = new FrameParser();
  readonly #acknowledges: boolean;
  #waiters: (() => void)[] = [];
  #position = 0;
  #pings = 0;
  #isClosed = false;

  constructor(socket: Socket, { opens = true, acknowledges = opens, settings = [] }: Http2PeerOptions = {}) {
    this.socket = socket;
    this.#acknowledges = acknowledges;
    // The close event follows.
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      for (const frame of this.#splitter.push(bytes)) this.#receive(frame);
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#isClosed = true;
        this.#wake();
        resolve();
      });
    });
    if (opens) this.send(PREFACE, settingsFrame(...settings));
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Frames received so far. */
  get received(): readonly ReceivedFrame[] {
    return this.#frames;
  }

  /** Sends all bytes in one write. */
  send(...parts: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** Reads frames up to the first that matches. Rejects when the connection ends first. */
  next(matches: (frame: ReceivedFrame) => boolean): Promise<ReceivedFrame> {
    return this.#until(() => {
      while (this.#position < this.#frames.length) {
        const frame = this.#frames[this.#position];
        this.#position += 1;
        if (frame !== undefined && matches(frame)) return frame;
      }
      return undefined;
    });
  }

  /** Reads the server's first settings. @returns values by id */
  async serverSettings(): Promise<ReadonlyMap<number, number>> {
    const { payload } = await this.next(({ flags, type }) => type === FRAME_TYPE.settings && (flags & FLAG.ack) === 0);
    const values = new Map<number, number>();
    for (let offset = 0; offset < payload.length; offset += 6) {
      values.set(payload.readUInt16BE(offset), payload.readUInt32BE(offset + 2));
    }
    return values;
  }

  /** Resolves when the server has answered a ping, and so has read everything before it. */
  async ping(): Promise<void> {
    const answered = this.#sendPing();
    await this.#until(() => (answered() ? true : undefined));
  }

  /**
   * Sends bytes and a ping in one write.
   *
   * @param stream - the stream whose reset is an outcome
   * @returns "tolerated" if the ping is answered first
   */
  async outcomeOf(bytes: Uint8Array, stream?: number): Promise<Outcome> {
    const answered = this.#sendPing(bytes);
    return await this.#outcome(stream, answered);
  }

  /** Waits until the server resets the stream or ends the connection. */
  outcome(stream?: number): Promise<Outcome> {
    return this.#outcome(stream, () => false);
  }

  /** Reads what the server sends on a stream, until it ends or resets the stream. */
  answer(stream: number): Promise<Http2Answer> {
    return this.#until(() => {
      const frames = this.#byStream.get(stream) ?? [];
      const last = frames.at(-1);
      if (last === undefined) return undefined;
      const isReset = frames.some(({ type }) => type === FRAME_TYPE.rstStream);
      const isEnded = frames.some(({ flags, type }) => {
        return (type === FRAME_TYPE.data || type === FRAME_TYPE.headers) && (flags & FLAG.endStream) !== 0;
      });
      return isReset || isEnded ? toAnswer(frames) : undefined;
    });
  }

  #sendPing(before: Uint8Array = Buffer.alloc(0)): () => boolean {
    this.#pings += 1;
    const payload = Buffer.from(String(this.#pings).padStart(8, "0"));
    let seen = this.#frames.length;
    let isAnswered = false;
    this.send(before, pingFrame(payload));
    return () => {
      for (; seen < this.#frames.length && !isAnswered; seen += 1) {
        const frame = this.#frames[seen];
        isAnswered = frame?.type === FRAME_TYPE.ping && frame.flags === FLAG.ack && frame.payload.equals(payload);
      }
      return isAnswered;
    };
  }

  async #outcome(stream: number | undefined, isTolerated: () => boolean): Promise<Outcome> {
    const found = await this.#until(
      () => {
        const reset = this.#byStream.get(stream ?? 0)?.find(({ type }) => type === FRAME_TYPE.rstStream);
        if (reset !== undefined) return `RST_STREAM ${errorName(reset.payload.readUInt32BE())}`;
        const goaway = this.goaways.find(({ code }) => code !== "NO_ERROR");
        if (goaway !== undefined) return `GOAWAY ${goaway.code}`;
        return isTolerated() ? "tolerated" : undefined;
      },
      () => "closed",
    );
    // A server closes the connection after a GOAWAY with an error.
    if (found.startsWith("GOAWAY")) await this.closed;
    return found;
  }

  #receive(frame: ReceivedFrame): void {
    this.#frames.push(frame);
    const { flags, payload, stream, type } = frame;
    const own = this.#byStream.get(stream);
    if (own === undefined) this.#byStream.set(stream, [frame]);
    else own.push(frame);
    if (type === FRAME_TYPE.goaway)
      this.goaways.push({ lastStream: payload.readUInt32BE(), code: errorName(payload.readUInt32BE(4)) });
    if (!this.#acknowledges || (flags & FLAG.ack) !== 0) return;
    if (type === FRAME_TYPE.settings) this.send(SETTINGS_ACK);
    if (type === FRAME_TYPE.ping) this.send(pingFrame(payload, FLAG.ack));
  }

  async #until<T>(look: () => T | undefined, atEnd?: () => T): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.#isClosed) {
        if (atEnd !== undefined) return atEnd();
        throw new Error(`the connection ended; GOAWAY: ${JSON.stringify(this.goaways)}`);
      }
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}

/** Connects to `HOST:PORT`, and destroys the connection after the test. */
export async function connectHttp2(address: string, options: Http2PeerOptions = {}): Promise<Http2Peer> {
  const { hostname, port } = new URL(`http://${address}`);
  const { allowHalfOpen = false } = options;
  const socket = connect({ host: hostname, port: Number(port), noDelay: true, allowHalfOpen });
  cleanUp(() => socket.destroy());
  await once(socket, "connect");
  return new Http2Peer(socket, options);
}

/** Fields of a gRPC request. Given fields replace those with the same name; undefined omits one. */
export function grpcFields(path: string, changes: Readonly<Record<string, string | undefined>> = {}): HeaderPair[] {
  const all = {
    ":method": "POST",
    ":scheme": "http",
    ":path": path,
    ":authority": "localhost",
    "content-type": "application/grpc",
    te: "trailers",
    ...changes,
  };
  return Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
}

/** Encodes a complete gRPC call in two frames. @param body - with its prefix */
export function grpcCall(
  stream: number,
  path: string,
  body: Uint8Array,
  changes: Readonly<Record<string, string | undefined>> = {},
): Buffer {
  const block = literalHeaders(grpcFields(path, changes));
  return Buffer.concat([headersFrame(stream, block), dataFrame(stream, body, FLAG.endStream)]);
}

/** Returns the gRPC status of an answer; undefined if it has none. */
export function grpcStatus({ headers, trailers }: Http2Answer): number | undefined {
  const status = trailers.get("grpc-status") ?? headers.get("grpc-status");
  return status === undefined ? undefined : Number(status);
}

function toAnswer(frames: readonly ReceivedFrame[]): Http2Answer {
  const blocks: Buffer[][] = [];
  const data: Buffer[] = [];
  let reset: string | undefined;
  for (const { payload, type } of frames) {
    if (type === FRAME_TYPE.headers) blocks.push([payload]);
    if (type === FRAME_TYPE.continuation) blocks.at(-1)?.push(payload);
    if (type === FRAME_TYPE.data) data.push(payload);
    if (type === FRAME_TYPE.rstStream) reset = errorName(payload.readUInt32BE());
  }
  const [headers = new Map<string, string>(), trailers = new Map<string, string>()] = blocks.map((parts) =>
    readHeaders(Buffer.concat(parts)),
  );
  return { headers, trailers, body: Buffer.concat(data), pieces: data.map(({ length }) => length), reset };
}

function errorName(code: number): string {
  return ERROR_NAMES[code] ?? `code ${code}`;
}
