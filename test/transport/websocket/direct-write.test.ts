import { once } from "node:events";
import { closeSync, fstatSync, openSync, readFileSync, writeSync } from "node:fs";
import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { WebSocketServer } from "ws";
import { ClientWebSocket } from "../../../src/transport/websocket/client-web-socket.js";
import { findDescriptor, NO_DESCRIPTOR, writeDirectly } from "../../../src/transport/websocket/direct-write.js";
import { createTextFrame } from "../../../src/transport/websocket/frame.js";
import { publish } from "../../support/backends/publish.js";
import { cleanUp } from "../../support/clean-up.js";
import { TestAuthority } from "../../support/net/certificates.js";
import { countWrites, watchWriteSync } from "../../support/net/count-writes.js";
import { startNode } from "../../support/nodes/node.js";
import { closeFrame, closeText, OPCODE, openRaw, RawClient, upgradeRequest } from "../../support/raw/client.js";
import { temporaryFolder } from "../../support/temporary-files.js";

const isSupported = process.platform === "linux" || process.platform === "darwin";
const describeDirect = isSupported ? describe : describe.skip;

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUp(() => server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not listening");
  return address.port;
}

interface Pair {
  readonly server: Socket;
  readonly client: Socket;
  readonly descriptor: number;
}

/** Connects a client that does not read, until it is resumed. The server never reads, so only writes notice a reset. */
async function openPair(): Promise<Pair> {
  const listener = createServer({ pauseOnConnect: true });
  const port = await listen(listener);
  const client = connect(port, "127.0.0.1").pause();
  const [server] = (await once(listener, "connection")) as [Socket];
  cleanUp(() => {
    server.destroy();
    client.destroy();
  });
  return { server, client, descriptor: findDescriptor(server) };
}

/** Opens the sink of a session, with a client that reads. */
async function openWebSocket(): Promise<{ readonly webSocket: ClientWebSocket; readonly client: RawClient }> {
  const listener = createHttpServer();
  const port = await listen(listener);
  const client = new RawClient(connect(port, "127.0.0.1"));
  client.send(upgradeRequest("/"));
  const [request, socket, head] = (await once(listener, "upgrade")) as [IncomingMessage, Socket, Buffer];
  const sockets = new WebSocketServer({ noServer: true, WebSocket: ClientWebSocket, clientTracking: false });
  const webSocket = await new Promise<ClientWebSocket>((resolve) => {
    sockets.handleUpgrade(request, socket, head, (opened) => {
      resolve(opened);
    });
  });
  webSocket.useSocket(socket, findDescriptor(socket));
  cleanUp(() => {
    socket.destroy();
    client.socket.destroy();
  });
  expect((await client.response()).status).toBe(101);
  return { webSocket, client };
}

async function readAll(client: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  client.on("data", (chunk: Buffer) => chunks.push(chunk)).resume();
  await once(client, "end");
  return Buffer.concat(chunks);
}

/** Bytes that differ at every position of the tests' sizes. */
function numbers(first: number, count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, (_, position) => `${first + position};`).join(""));
}

/** Writes to a connection until it accepts nothing. Returns the written bytes. */
function fill(descriptor: number): Buffer {
  const bytes = numbers(1, 10_000);
  const accepted: Buffer[] = [];
  for (;;) {
    try {
      accepted.push(bytes.subarray(0, writeSync(descriptor, bytes)));
    } catch {
      return Buffer.concat(accepted);
    }
  }
}

describeDirect("writes without the stream", () => {
  test("writes nothing to the next owner of a closed connection's descriptor", async () => {
    const folder = temporaryFolder();
    for (let time = 0; time < 200; time += 1) {
      const { descriptor, server } = await openPair();
      server.destroy();
      // The system gives the lowest free number.
      const files = [openSync(join(folder, "file"), "w")];
      while (Math.max(...files) < descriptor) files.push(openSync(join(folder, "file"), "w"));
      expect(files).toContain(descriptor);
      writeDirectly(server, descriptor, Buffer.from("for another"));
      for (const file of files) {
        expect(fstatSync(file).size).toBe(0);
        closeSync(file);
      }
    }
  });

  test("writes nothing to connections accepted in the turn in which others were closed, thousands of times", async () => {
    const listener = createServer();
    let previous: { readonly socket: Socket; readonly descriptor: number } | undefined;
    let reused = 0;
    listener.on("connection", (socket) => {
      socket.on("error", () => {});
      const descriptor = findDescriptor(socket);
      if (previous !== undefined && previous.descriptor === descriptor) reused += 1;
      if (previous !== undefined) writeDirectly(previous.socket, previous.descriptor, Buffer.from("wrong"));
      writeDirectly(socket, descriptor, Buffer.from("right"));
      socket.destroy();
      writeDirectly(socket, descriptor, Buffer.from("late"));
      previous = { socket, descriptor };
    });
    const port = await listen(listener);
    for (;;) {
      const texts = await Promise.all(
        Array.from({ length: 100 }, async () => (await readAll(connect(port, "127.0.0.1"))).toString()),
      );
      expect(new Set(texts)).toEqual(new Set(["right"]));
      if (reused >= 3_000) return;
    }
  });

  test("delivers all bytes in order when the connection accepts only a part of a write", async () => {
    const { client, descriptor, server } = await openPair();
    const written: Buffer[] = [];
    for (let time = 0; time < 40; time += 1) {
      const bytes = numbers(time * 100_000, 20_000 + time);
      writeDirectly(server, descriptor, bytes);
      written.push(bytes);
    }
    expect(server.writableLength).toBeGreaterThan(0);
    server.end();
    expect((await readAll(client)).equals(Buffer.concat(written))).toBe(true);
  });

  test("delivers all bytes in order when the connection is full, and writes directly again once it is drained", async () => {
    const { client, descriptor, server } = await openPair();
    const written: Buffer[] = [];
    const write = (): void => {
      const bytes = numbers(written.length * 100, 20);
      writeDirectly(server, descriptor, bytes);
      written.push(bytes);
    };
    const received: Buffer[] = [];
    client.on("data", (chunk: Buffer) => received.push(chunk)).pause();
    let direct = 0;
    const failures: string[] = [];
    for (let time = 0; time < 3; time += 1) {
      written.push(fill(descriptor));
      const unwatch = watchWriteSync(
        () => (direct += 1),
        (code) => failures.push(code),
      );
      // The system may accept a little more after it has refused.
      while (server.writableLength === 0) write();
      const before = direct;
      for (let more = 0; more < 50; more += 1) write();
      // Behind bytes that wait in the stream, nothing is written directly.
      expect(direct).toBe(before);
      client.resume();
      await new Promise((resolve) => server.write("", resolve));
      write();
      expect(direct).toBe(before + 1);
      expect(server.writableLength).toBe(0);
      client.pause();
      unwatch();
    }
    expect(new Set(failures)).toEqual(new Set(["EAGAIN"]));
    server.end();
    client.resume();
    await once(client, "end");
    expect(Buffer.concat(received).equals(Buffer.concat(written))).toBe(true);
  });

  test("reports a connection that its peer has reset by the stream's error and close events, and throws nothing", async () => {
    const failures: string[] = [];
    watchWriteSync(
      () => {},
      (code) => failures.push(code),
    );
    const { client, descriptor, server } = await openPair();
    const failed = once(server, "error");
    client.resetAndDestroy();
    await once(client, "close");
    for (let time = 0; time < 10; time += 1) writeDirectly(server, descriptor, Buffer.from("lost"));
    const [error] = (await failed) as [NodeJS.ErrnoException];
    expect(["EPIPE", "ECONNRESET"]).toContain(error.code);
    expect(failures[0]).toMatch(/^(?:EPIPE|ECONNRESET)$/);
    if (!server.closed) await once(server, "close");
  });
});

test("keeps the order of messages, pings and the close frame, whether or not the client reads", async () => {
  const { client, webSocket } = await openWebSocket();
  const expected: string[] = [];
  const turn = (size: number): void => {
    const count = expected.length;
    webSocket.write(createTextFrame(`${count} `.padEnd(size, "x")));
    webSocket.ping(String(count));
    webSocket.writeAll([createTextFrame(`${count}a`), createTextFrame(`${count}b`)]);
    expected.push(`text ${count}`, `ping ${count}`, `text ${count}a`, `text ${count}b`);
  };
  for (let time = 0; time < 100; time += 1) turn(100);
  client.socket.pause();
  for (let time = 0; time < 100; time += 1) turn(100_000);
  expect(webSocket.backlog).toBeGreaterThan(0);
  client.socket.resume();
  const received: string[] = [];
  while (received.length < expected.length) {
    const { opcode, payload } = await client.next();
    const kind = opcode === OPCODE.ping ? "ping" : "text";
    received.push(`${kind} ${payload.toString().split(" ")[0] ?? ""}`);
  }
  expect(received).toEqual(expected);
  webSocket.write(createTextFrame("last"));
  webSocket.end("service_restart");
  webSocket.write(createTextFrame("after the close frame"));
  expect(await client.nextText()).toBe("last");
  const { opcode, payload } = await client.next();
  expect([opcode, closeText(payload).split(" ")[0]]).toEqual([OPCODE.close, "1012"]);
  client.send(closeFrame(1_012));
  await client.ended();
});

test("never writes directly to TLS connections", async () => {
  const { certFile, keyFile } = await (await TestAuthority.create()).issue("localhost");
  const server = createTlsServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) });
  const port = await listen(server);
  const client = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
  const [socket] = (await once(server, "secureConnection")) as [Socket];
  cleanUp(() => {
    client.destroy();
    socket.destroy();
  });
  expect(findDescriptor(socket)).toBe(NO_DESCRIPTOR);
});

test.each([
  { setting: {}, direct: isSupported },
  { setting: { direct_writes: false }, direct: false },
])("writes messages directly: $direct, with $setting", async ({ direct, setting }) => {
  const node = await startNode(setting);
  const client = await openRaw(node.http);
  await client.join("foo");
  const writes = countWrites();
  await publish(node, [{ topics: ["foo"], payload: "1" }]);
  expect(await client.nextJson()).toEqual({ topic: "foo", payload: "1" });
  expect(writes(client.socket.localPort ?? 0)).toEqual(
    direct ? { streamed: 0, direct: 1 } : { streamed: 1, direct: 0 },
  );
});
