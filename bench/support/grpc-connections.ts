import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { encodeHeaders } from "../../src/http2/hpack/encode-headers.js";

/** Bytes of a frame's header: length (3), type, flags, stream (4). */
const FRAME_HEAD = 9;
const TYPE = { data: 0, headers: 1, settings: 4, ping: 6 } as const;
const END_STREAM = 1;
const END_HEADERS = 4;
const ACK = 1;
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Number of connections that are opened at a time. */
const CONCURRENCY = 100;

/** gRPC call that each connection makes first. */
export interface FirstCall {
  /** HOST:PORT */
  readonly address: string;
  readonly path: string;
  readonly request: Buffer;
}

/** Idle gRPC connections, each of which has made one call. They cost this process little: it parses only frames. */
export class GrpcConnections {
  readonly #sockets: Socket[] = [];

  /** Opens connections. Resolves when each has the answer to its call. @throws Error: a connection was closed */
  async open(count: number, { address, path, request }: FirstCall): Promise<void> {
    const [host = "", port = ""] = address.split(":");
    const bytes = createFirstBytes(address, path, request);
    let left = count;
    const lane = async (): Promise<void> => {
      for (; left > 0; ) {
        left -= 1;
        const socket = connect({ host, port: Number(port), noDelay: true });
        this.#sockets.push(socket);
        await once(socket, "connect");
        await makeCall(socket, bytes);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, lane));
  }

  close(): void {
    for (const socket of this.#sockets.splice(0)) socket.destroy();
  }
}

function createFirstBytes(address: string, path: string, request: Buffer): Buffer {
  const head = encodeHeaders([
    { name: ":method", value: "POST" },
    { name: ":scheme", value: "http" },
    { name: ":path", value: path },
    { name: ":authority", value: address },
    { name: "content-type", value: "application/grpc" },
    { name: "te", value: "trailers" },
  ]);
  const message = Buffer.concat([Buffer.alloc(5), request]);
  message.writeUInt32BE(request.length, 1);
  return Buffer.concat([
    Buffer.from(PREFACE),
    frame(TYPE.settings, 0, 0),
    frame(TYPE.headers, END_HEADERS, 1, head),
    frame(TYPE.data, END_STREAM, 1, message),
  ]);
}

function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(FRAME_HEAD);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Sends the first bytes. Resolves when the server has ended its answer; from then on only pings are answered. */
function makeCall(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= FRAME_HEAD) {
        const end = FRAME_HEAD + received.readUIntBE(0, 3);
        if (received.length < end) return;
        const [type, flags] = [received.readUInt8(3), received.readUInt8(4)];
        const payload = received.subarray(FRAME_HEAD, end);
        if (type === TYPE.settings && (flags & ACK) === 0) socket.write(frame(TYPE.settings, ACK, 0));
        if (type === TYPE.ping && (flags & ACK) === 0) socket.write(frame(TYPE.ping, ACK, 0, payload));
        if (type === TYPE.headers && (flags & END_STREAM) !== 0) resolve();
        received = received.subarray(end);
      }
    });
    socket.on("error", reject);
    socket.on("close", () => {
      reject(new Error("the server closed a connection"));
    });
    socket.write(bytes);
  });
}
