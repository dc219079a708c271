import { once } from "node:events";
import { connect as connectSocket, type Socket } from "node:net";
import { cleanUp } from "../../support/clean-up.js";
import { type TestNode } from "../../support/nodes/node.js";
import { crc32 } from "./crc32.js";

export const FLAGS = { json: 0x08, protobuf: 0x80, error: 0x40 } as const;

export interface TestFrame {
  readonly flags: number;
  readonly sequence: number;
  readonly method: string;
  readonly body: Buffer;
}

export interface FrameParts {
  readonly first?: number;
  readonly flags?: number;
  readonly sequence?: number;
  readonly stream?: number;
  /** Values written in place of the real ones. */
  readonly payloadBytes?: number;
  readonly nameBytes?: number;
  readonly checksum?: number;
}

/** Encodes a request, following the protocol's description. */
export function frameOf(method: string, body: Uint8Array | string, parts: FrameParts = {}): Buffer {
  const name = Buffer.from(method, "latin1");
  const content = Buffer.from(body);
  const { first = 0x15, flags = FLAGS.protobuf, sequence = 1, stream = 0 } = parts;
  const header = Buffer.alloc(20);
  header.writeUInt8(first, 0);
  header.writeUInt8(flags, 1);
  header.writeUInt32LE(parts.payloadBytes ?? name.length + content.length, 2);
  header.writeUInt32LE(parts.checksum ?? crc32(header.subarray(0, 6)), 6);
  header.writeUInt8(stream, 10);
  header.writeUInt32LE(sequence, 12);
  header.writeUInt32LE(parts.nameBytes ?? name.length, 16);
  return Buffer.concat([header, name, content]);
}

/** A client of RoadRunner's RPC, which splits received bytes into frames by their headers. */
export class RpcClient {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  #bytes = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = once(socket, "close");
    socket.on("error", () => {
      // The close event follows.
    });
    socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake?.();
    });
    socket.once("close", () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Takes the next `count` bytes. Rejects when the connection ends first. */
  async take(count: number): Promise<Buffer> {
    while (this.#bytes.length < count) {
      if (this.#ended) throw new Error("the connection has ended");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }

  /** Resolves with the next answer. */
  async next(): Promise<TestFrame> {
    const header = await this.take(20);
    const checksum = crc32(header.subarray(0, 6));
    if (header[0] !== 0x15 || header.readUInt32LE(6) !== checksum) throw new Error("the answer's header is wrong");
    const payload = await this.take(header.readUInt32LE(2));
    const nameBytes = header.readUInt32LE(16);
    return {
      flags: header.readUInt8(1),
      sequence: header.readUInt32LE(12),
      method: payload.subarray(0, nameBytes).toString("latin1"),
      body: payload.subarray(nameBytes),
    };
  }

  /** Sends a request and waits for the next answer. */
  call(method: string, body: Uint8Array | string, parts?: FrameParts): Promise<TestFrame> {
    this.send(frameOf(method, body, parts));
    return this.next();
  }
}

/** @param position - of the listener in the configuration */
export async function rpcClient({ carillon }: Pick<TestNode, "carillon">, position = 0): Promise<RpcClient> {
  const url = carillon.addresses?.roadrunner[position] ?? "";
  const [, host = "", port] = /^tcp:\/\/(.+):(\d+)$/.exec(url) ?? [];
  const socket = port === undefined ? connectSocket(url.replace("unix://", "")) : connectSocket(Number(port), host);
  cleanUp(() => socket.destroy());
  const client = new RpcClient(socket);
  await once(socket, "connect");
  return client;
}
