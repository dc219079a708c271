import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from "node:net";
import { encodeHeaders } from "../../src/http2/hpack/encode-headers.js";
import { Http2Driver } from "../../src/http2/http2-driver.js";
import type { ConnectionTimes } from "../../src/http2/served-connection.js";
import type { ServerStream } from "../../src/http2/server-stream.js";
import { ignore } from "../../src/util/ignore.js";
import { cleanUp } from "../support/clean-up.js";

const OK = encodeHeaders([{ name: ":status", value: "200" }]);
const TRAILERS = encodeHeaders([{ name: "x-end", value: "yes" }]);

const NEVER = Number.POSITIVE_INFINITY;
const TIMES: ConnectionTimes = {
  handshake: NEVER,
  keepalive: NEVER,
  keepaliveTimeout: NEVER,
  idle: NEVER,
  maxAge: NEVER,
  unread: NEVER,
};

interface EchoServer {
  readonly driver: Http2Driver<string>;
  readonly port: number;
  /** Requests that have begun, by their path; answered when `held` is false. */
  readonly streams: ServerStream[];
}

interface EchoOptions {
  readonly times?: Partial<ConnectionTimes>;
  /** Leaves the answers open after their body. */
  readonly hold?: boolean;
}

/** Starts a server that sends each body back. */
async function startEcho({ hold = false, times }: EchoOptions = {}): Promise<EchoServer> {
  const streams: ServerStream[] = [];
  const driver = new Http2Driver<string>({
    times: { ...TIMES, ...times },
    readHead: (fields) => fields.find(({ name }) => name === ":path")?.value ?? "",
    onFault: (cause) => {
      throw cause;
    },
  });
  const server = createServer({ noDelay: true }, (socket: Socket) => {
    driver.serve(socket, { onReady: () => {}, onStream: (stream) => echo(stream, streams, hold) });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUp(() => {
    driver.terminate();
    server.close();
  });
  return { driver, port: (server.address() as AddressInfo).port, streams };
}

function echo(stream: ServerStream, streams: ServerStream[], hold: boolean) {
  streams.push(stream);
  stream.respond(OK);
  return {
    onData: (chunk: Buffer) => {
      // Back-pressure: the peer may send more when it has read what it sent.
      if (stream.send(Buffer.from(chunk))) stream.consume(chunk.length);
      else unconsumed.set(stream, (unconsumed.get(stream) ?? 0) + chunk.length);
    },
    onDrain: () => {
      stream.consume(unconsumed.get(stream) ?? 0);
      unconsumed.delete(stream);
    },
    onEnd: () => {
      if (!hold) stream.end(TRAILERS);
    },
    onClose: () => {},
  };
}

const unconsumed = new WeakMap<ServerStream, number>();

async function open({ port }: EchoServer): Promise<ClientHttp2Session> {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", ignore);
  cleanUp(() => session.destroy());
  await once(session, "remoteSettings");
  return session;
}

function request(session: ClientHttp2Session): ClientHttp2Stream {
  const stream = session.request({ ":method": "POST", ":path": "/" });
  stream.on("error", ignore);
  return stream;
}

/** Sends a body, and resolves with what came back. */
async function exchange(session: ClientHttp2Session, body: Buffer): Promise<Buffer> {
  const stream = request(session);
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const trailers = once(stream, "trailers");
  stream.end(body);
  const [fields] = await trailers;
  expect(fields).toMatchObject({ "x-end": "yes" });
  await once(stream, "close");
  return Buffer.concat(chunks);
}

test.each([0, 1, 16_384, 16_385, 65_535, 65_536, 262_145, 3_000_000])("answers a body of %i bytes", async (size) => {
  const session = await open(await startEcho());
  const body = Buffer.alloc(size, "abcdefghijk");
  expect((await exchange(session, body)).equals(body)).toBe(true);
});

test("answers requests side by side without mixing their bodies", async () => {
  const session = await open(await startEcho());
  const bodies = Array.from({ length: 40 }, (_, number) => Buffer.alloc(30_000 + number, number));
  const answers = await Promise.all(bodies.map((body) => exchange(session, body)));
  expect(answers.map((answer, number) => answer.equals(bodies[number] ?? Buffer.alloc(0)))).not.toContain(false);
});

test("keeps no connection once all peers have disconnected", async () => {
  const server = await startEcho();
  const session = await open(server);
  await exchange(session, Buffer.from("a"));
  expect(server.driver.size).toBe(1);
  session.destroy();
  await server.driver.close();
  expect(server.driver.size).toBe(0);
});

test("answers the pending calls when it closes, and resolves after the last", async () => {
  const server = await startEcho({ hold: true });
  const session = await open(server);
  const stream = request(session);
  stream.resume().end();
  await once(stream, "response");
  const goaway = once(session, "goaway");
  const closed = server.driver.close();
  await goaway;
  server.streams[0]?.end(TRAILERS);
  expect((await once(stream, "trailers"))[0]).toMatchObject({ "x-end": "yes" });
  await closed;
  expect(server.driver.size).toBe(0);
});

test("ends a call when its connection is lost", async () => {
  const server = await startEcho({ hold: true });
  const session = await open(server);
  const stream = request(session);
  await once(stream, "response");
  session.destroy();
  await server.driver.close();
  expect(server.streams[0]?.isClosed).toBe(true);
});

test("ends a connection without calls after the idle time", async () => {
  const server = await startEcho({ times: { idle: 50 } });
  const session = await open(server);
  await once(session, "close");
  await server.driver.close();
  expect(server.driver.size).toBe(0);
});

test("ends a connection of the maximum age once its calls are answered", async () => {
  const server = await startEcho({ hold: true, times: { maxAge: 50 } });
  const session = await open(server);
  const stream = request(session);
  stream.resume().end();
  await once(session, "goaway");
  server.streams[0]?.end(TRAILERS);
  await once(session, "close");
  await server.driver.close();
  expect(server.driver.size).toBe(0);
});

test("disconnects a peer that does not answer pings", async () => {
  const { driver, port } = await startEcho({ times: { keepalive: 20, keepaliveTimeout: 20 } });
  const socket = connectTcp(port, "127.0.0.1");
  socket.on("error", ignore);
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0");
  socket.resume();
  await once(socket, "close");
  await driver.close();
  expect(driver.size).toBe(0);
});

test("keeps a peer that answers pings", async () => {
  const server = await startEcho({ times: { keepalive: 20, keepaliveTimeout: 60_000 } });
  const session = await open(server);
  for (let pings = 0; pings < 3; pings += 1) await once(session, "ping");
  expect(await exchange(session, Buffer.from("a"))).toEqual(Buffer.from("a"));
});

test.each([
  ["no byte", ""],
  ["half a preface", "PRI * HT"],
  ["a preface without settings", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  [
    "a header block that never ends",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0\0\0\0\u0001\0\0\0\0\u0001",
  ],
])("disconnects a peer after the handshake's time when it sends %s", async (_, bytes) => {
  const { driver, port } = await startEcho({ times: { handshake: 20 } });
  const socket = connectTcp(port, "127.0.0.1");
  socket.on("error", ignore);
  socket.write(bytes);
  socket.resume();
  await once(socket, "close");
  await driver.close();
  expect(driver.size).toBe(0);
});

test("disconnects a peer that leaves an answer unread", async () => {
  const server = await startEcho({ hold: true, times: { unread: 50 } });
  const socket = connectTcp(server.port, "127.0.0.1");
  cleanUp(() => socket.destroy());
  socket.on("error", ignore);
  const settings = frame(0x4, 0, 0, "00047fffffff");
  const window = frame(0x8, 0, 0, "7fff0000");
  // :method POST, :scheme http, :path / of the static table.
  const headers = frame(0x1, 0x4, 1, "838684");
  socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings, window, headers]));
  while (server.streams.length === 0) await once(socket, "data");
  socket.pause();
  const large = Buffer.alloc(1 << 20);
  for (let sent = 0; sent < 64; sent += 1) server.streams[0]?.send(large);
  while (!server.streams.every(({ isClosed }) => isClosed)) await new Promise(setImmediate);
  expect(server.driver.size).toBe(0);
});

function frame(type: number, flags: number, stream: number, payload: string): Buffer {
  const body = Buffer.from(payload, "hex");
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}
