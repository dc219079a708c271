import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Networks } from "../../src/net/networks.js";
import { PortListener, type PortOptions } from "../../src/net/port-listener.js";
import { cleanUp } from "../support/clean-up.js";
import { ipv4, ipv6, type ProxyHeader, proxyHeader } from "../support/net/proxy-header.js";

const LOOPBACK = new Networks(["127.0.0.0/8"]);
/** Longer than any test's timeout, in milliseconds. */
const NEVER = 600_000;

/** Starts a port that sends each connection its remote address, then echoes. */
async function startEcho(options: Partial<PortOptions> = {}): Promise<{ port: number; connections: Socket[] }> {
  const connections: Socket[] = [];
  const listener = new PortListener({
    address: { host: "127.0.0.1", port: 0 },
    proxies: LOOPBACK,
    handshakeTimeout: NEVER,
    ...options,
    alpn: "http/1.1",
    onConnection: (socket) => {
      connections.push(socket);
      socket.write(`${socket.remoteAddress}|`);
      socket.pipe(socket);
    },
  });
  const { port } = await listener.listen();
  cleanUp(() => listener.close());
  return { port, connections };
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  cleanUp(() => socket.destroy());
  await once(socket, "connect");
  // The close event follows an error.
  socket.on("error", () => {});
  return socket;
}

function waitForClose(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
  });
}

async function readUntil(socket: Socket, end: string): Promise<string> {
  let text = "";
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    if (text.endsWith(end)) break;
  }
  return text;
}

/** Sends a header and four bytes after it in one piece. Returns the port's answer. */
async function requestEcho(header: ProxyHeader): Promise<string> {
  const { port } = await startEcho();
  const socket = await open(port);
  socket.write(Buffer.concat([proxyHeader(header), Buffer.from("ping")]));
  return readUntil(socket, "ping");
}

const TLVS = Buffer.from([0x01, 0, 2, 0x68, 0x32, 0x04, 0, 4, 1, 2, 3, 4]);

test.each<[string, ProxyHeader, string]>([
  ["IPv4", {}, "203.0.113.7"],
  ["IPv4 with fields behind it", { body: Buffer.concat([ipv4(), TLVS]) }, "203.0.113.7"],
  ["IPv6", { family: 0x21, body: ipv6("20010db8000000000000000000000007") }, "2001:db8::7"],
  ["IPv4 in IPv6", { family: 0x21, body: ipv6("00000000000000000000ffffcb007107") }, "203.0.113.7"],
  ["datagrams", { family: 0x12 }, "203.0.113.7"],
  ["LOCAL", { command: 0x20, family: 0, body: Buffer.alloc(0) }, "127.0.0.1"],
  ["LOCAL with addresses, which are ignored", { command: 0x20 }, "127.0.0.1"],
  ["no family", { family: 0, body: Buffer.alloc(0) }, "127.0.0.1"],
  ["no family, with fields", { family: 0, body: TLVS }, "127.0.0.1"],
  ["a local socket", { family: 0x31, body: Buffer.alloc(216) }, "127.0.0.1"],
  ["the longest header", { body: Buffer.concat([ipv4(), Buffer.alloc(4_084)]) }, "203.0.113.7"],
])("A12: reads a PROXY header: %s", async (_, header, address) => {
  expect(await requestEcho(header)).toBe(`${address}|ping`);
});

test.each<[string, ProxyHeader | Buffer]>([
  ["version 1", Buffer.from("PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n")],
  ["version 3", { command: 0x31 }],
  ["an unknown command", { command: 0x22 }],
  ["an unknown family", { family: 0x41 }],
  ["an unknown protocol", { family: 0x13 }],
  ["too short for its family", { body: Buffer.alloc(11) }],
  ["IPv6 too short", { family: 0x21, body: Buffer.alloc(35) }],
  ["longer than any", { body: Buffer.concat([ipv4(), Buffer.alloc(4_085)]) }],
  ["a length of 64 KiB", { claims: 65_535 }],
  ["no header", Buffer.from("GET / HTTP/1.1\r\nHost: test\r\n\r\n")],
  ["a TLS greeting", Buffer.from("16030100c8010000c40303000000000000000000", "hex")],
])("A12: closes a proxy's connection without an answer on %s", async (_, header) => {
  const { connections, port } = await startEcho();
  const socket = await open(port);
  socket.write(Buffer.isBuffer(header) ? header : proxyHeader(header));
  const closed = waitForClose(socket);
  socket.resume();
  await closed;
  expect([connections.length, socket.bytesRead]).toEqual([0, 0]);
});

test("A12: reads a header that arrives byte by byte, and keeps the bytes behind it", async () => {
  const { connections, port } = await startEcho();
  const socket = await open(port);
  const bytes = Buffer.concat([proxyHeader({ body: Buffer.concat([ipv4(), TLVS]) }), Buffer.from("ping")]);
  for (const byte of bytes) {
    await new Promise((resolve) => {
      socket.write(Buffer.from([byte]), resolve);
    });
    await new Promise(setImmediate);
  }
  expect(await readUntil(socket, "ping")).toBe("203.0.113.7|ping");
  expect([connections[0]?.remotePort, connections[0]?.remoteFamily]).toEqual([4_711, "IPv4"]);
});

test("A12: survives a connection that ends within its header", async () => {
  const { connections, port } = await startEcho();
  const bytes = proxyHeader();
  for (const length of [0, 1, 15, 16, 17, bytes.length - 1]) {
    const socket = await open(port);
    socket.end(bytes.subarray(0, length));
    const closed = waitForClose(socket);
    socket.resume();
    await closed;
    const reset = await open(port);
    reset.write(bytes.subarray(0, length));
    reset.resetAndDestroy();
  }
  expect(connections).toEqual([]);
  const socket = await open(port);
  socket.write(Buffer.concat([bytes, Buffer.from("ping")]));
  expect(await readUntil(socket, "ping")).toBe("203.0.113.7|ping");
});

test("L12: closes a proxy's connection whose header takes too long", async () => {
  const { connections, port } = await startEcho({ handshakeTimeout: 20 });
  const socket = await open(port);
  socket.write(proxyHeader().subarray(0, 20));
  const closed = waitForClose(socket);
  socket.resume();
  await closed;
  expect(connections).toEqual([]);
});

test("A12: reads no header from peers that are not trusted proxies", async () => {
  const { port } = await startEcho({ proxies: new Networks(["192.0.2.0/24"]) });
  const socket = await open(port);
  socket.write(Buffer.concat([proxyHeader(), Buffer.from("ping")]));
  expect(await readUntil(socket, "ping")).toMatch(/^127\.0\.0\.1\|[^]*QUIT/);
});

test("L7: closes a port without waiting for headers", async () => {
  const listener = new PortListener({
    address: { host: "127.0.0.1", port: 0 },
    proxies: LOOPBACK,
    handshakeTimeout: NEVER,
    alpn: "http/1.1",
    onConnection: () => {},
  });
  const { port } = await listener.listen();
  const socket = await open(port);
  socket.write(proxyHeader().subarray(0, 20));
  const closed = waitForClose(socket);
  socket.resume();
  await listener.close();
  await closed;
  expect(socket.destroyed).toBe(true);
});
