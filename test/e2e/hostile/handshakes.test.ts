import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { cleanUp } from "../../support/clean-up.js";
import { TestAuthority } from "../../support/net/certificates.js";
import { ipv4, proxyHeader } from "../../support/net/proxy-header.js";
import { type RunningNode, startCarillon } from "../../support/nodes/process.js";
import { temporaryFile } from "../../support/temporary-files.js";

const MIB = 1_024 * 1_024;
const MANY = 300;

interface Raw {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  /** Number of bytes and events received. */
  text(): string;
}

/** @param from - local address of the connection */
async function open(port: number, from = "127.0.0.1"): Promise<Raw> {
  const socket = connect({ host: "127.0.0.1", port, localAddress: from });
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
  });
  socket.on("error", () => {
    // The close event follows an error.
  });
  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => resolve());
  });
  cleanUp(() => socket.destroy());
  await once(socket, "connect");
  return { socket, closed, text: () => text };
}

function portOf(address: unknown): number {
  return Number(/:(\d+)$/.exec(String(address))?.[1]);
}

function startNode(config: object): Promise<RunningNode> {
  return startCarillon(["--config", temporaryFile("carillon.yaml", JSON.stringify(config))]);
}

const LISTENERS = { webrocket: { backend: "127.0.0.1:0" }, dialects: ["native", "webrocket"] };

async function portsOf(node: RunningNode): Promise<number[]> {
  const { grpc, http, webrocketBackend } = await node.logged("ready");
  return [http, grpc, webrocketBackend].map(portOf);
}

/** Records the ClientHello of a client of the library. */
async function clientHello(): Promise<Buffer> {
  const server = createServer();
  cleanUp(() => server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const client = connectTls({ host: "127.0.0.1", port });
  client.on("error", () => {
    // The connection is closed below.
  });
  const [accepted] = (await once(server, "connection")) as [Socket];
  const [hello] = (await once(accepted, "data")) as [Buffer];
  client.destroy();
  return hello;
}

/** Reads the first line of the answer, up to the end of the connection. */
async function answerTo(port: number, from: string, ...parts: readonly Buffer[]): Promise<string> {
  const raw = await open(port, from);
  raw.socket.write(Buffer.concat(parts));
  await raw.closed;
  return raw.text().split("\r\n")[0] ?? "";
}

describe("TLS", () => {
  let authority: TestAuthority;
  let node: RunningNode;
  let ports: number[];

  beforeEach(async () => {
    authority = await TestAuthority.create();
    const { certFile, keyFile } = await authority.issue("localhost");
    node = await startNode({ tls: { cert_file: certFile, key_file: keyFile }, ...LISTENERS });
    ports = await portsOf(node);
  });

  /** Returns the status line of /healthz over a new TLS connection. */
  async function health(): Promise<string> {
    const socket = connectTls({ host: "127.0.0.1", port: ports[0], rejectUnauthorized: false });
    cleanUp(() => socket.destroy());
    await once(socket, "secureConnect");
    socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    return text.slice(0, text.indexOf("\r\n"));
  }

  test("SECURITY: accepts clients despite unfinished handshakes and thousands of new ones", async () => {
    const hello = await clientHello();
    const halves = [Buffer.alloc(0), hello.subarray(0, 3), hello.subarray(0, -1)];
    const opened: Raw[] = [];
    for (const port of ports) {
      for (let count = 0; count < MANY / ports.length; count += 1) {
        const raw = await open(port);
        raw.socket.write(halves[count % halves.length] ?? hello);
        opened.push(raw);
      }
    }
    expect(await health()).toBe("HTTP/1.1 200 OK");
    for (let count = 0; count < MANY; count += 1) {
      const raw = await open(ports[count % ports.length] ?? 0);
      raw.socket.write(hello);
      await Promise.race([once(raw.socket, "data"), raw.closed]);
      raw.socket.destroy();
    }
    expect(await health()).toBe("HTTP/1.1 200 OK");
    // The timeout is 10 s; the library closes connections without a handshake earlier.
    await Promise.all(opened.map(({ closed }) => closed));
    expect(await health()).toBe("HTTP/1.1 200 OK");
    expect(node.log.length).toBeLessThan(20);
  });

  test("SECURITY: closes a connection whose ClientHello claims to be huge", async () => {
    const record = Buffer.alloc(5 + 16_384);
    record.set([0x16, 0x03, 0x01, 0x40, 0x00, 0x01, 0xff, 0xff, 0xff]);
    for (const port of ports) {
      const raw = await open(port);
      raw.socket.write(record);
      await raw.closed;
    }
    expect(await health()).toBe("HTTP/1.1 200 OK");
  });

  test("SECURITY: disconnects a client that renegotiates repeatedly", async () => {
    const socket = connectTls({
      host: "127.0.0.1",
      port: ports[0],
      rejectUnauthorized: false,
      maxVersion: "TLSv1.2",
    });
    socket.on("error", () => {
      // The server closes the connection.
    });
    cleanUp(() => socket.destroy());
    const closed = once(socket, "close").then(() => false);
    await once(socket, "secureConnect");
    socket.resume();
    let renegotiated = 0;
    const again = (): Promise<boolean> =>
      new Promise((resolve) => {
        socket.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error === null));
      });
    while (await Promise.race([again(), closed])) renegotiated += 1;
    // Node.js allows three renegotiations in ten minutes.
    expect(renegotiated).toBeLessThanOrEqual(3);
    expect(await health()).toBe("HTTP/1.1 200 OK");
  });
});

describe("PROXY protocol", () => {
  const PROXY = "127.0.0.2";
  const STRANGER = "127.0.0.3";
  const REQUEST = Buffer.from("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const V1 = Buffer.from("PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n");
  const LOCAL = proxyHeader({ command: 0x20, family: 0, body: Buffer.alloc(0) });

  async function startBehindProxy(): Promise<RunningNode> {
    return startNode({ proxy_protocol: true, trusted_proxies: [`${PROXY}/32`], ...LISTENERS });
  }

  test("SECURITY: refuses headers that are malformed, duplicate, of another version, or from an untrusted peer", async () => {
    const node = await startBehindProxy();
    const [port = 0, ...others] = await portsOf(node);
    const ok = "HTTP/1.1 200 OK";
    const bad = "HTTP/1.1 400 Bad Request";
    const junk = Buffer.concat([ipv4(), Buffer.alloc(4_084, 0xff)]);
    expect(await answerTo(port, PROXY, proxyHeader(), REQUEST)).toBe(ok);
    expect(await answerTo(port, PROXY, LOCAL, REQUEST)).toBe(ok);
    expect(await answerTo(port, PROXY, proxyHeader({ body: junk }), REQUEST)).toBe(ok);
    expect(await answerTo(port, PROXY, proxyHeader(), proxyHeader(), REQUEST)).toBe(bad);
    for (const header of [V1, Buffer.alloc(0), proxyHeader({ family: 0x41 }), proxyHeader({ family: 0x21 })]) {
      expect(await answerTo(port, PROXY, header, REQUEST)).toBe("");
    }
    for (const listener of [port, ...others]) {
      expect(await answerTo(listener, PROXY, proxyHeader({ claims: 65_535 }), REQUEST)).toBe("");
    }
    expect(await answerTo(port, STRANGER, REQUEST)).toBe(ok);
    expect(await answerTo(port, STRANGER, proxyHeader(), REQUEST)).toBe(bad);
    expect(await answerTo(port, STRANGER, V1, REQUEST)).toBe(bad);
  });

  test("SECURITY: closes connections with endless headers, which use little memory and delay no client", async () => {
    const node = await startBehindProxy();
    const ports = await portsOf(node);
    const memory = async (): Promise<number> => {
      const text = await (await fetch(`${node.http}/metrics`)).text();
      return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]);
    };
    const before = await memory();
    const unfinished = proxyHeader({ body: Buffer.alloc(4_000), claims: 4_096 });
    const opened: Raw[] = [];
    for (let count = 0; count < MANY; count += 1) {
      const raw = await open(ports[count % ports.length] ?? 0, PROXY);
      raw.socket.write(unfinished.subarray(0, count % 2 === 0 ? unfinished.length : 1));
      opened.push(raw);
    }
    const slow = await open(ports[0] ?? 0, PROXY);
    let sent = 0;
    const trickle = setInterval(() => {
      slow.socket.write(unfinished.subarray(sent, sent + 1));
      sent += 1;
    }, 20);
    cleanUp(() => clearInterval(trickle));
    expect(await answerTo(ports[0] ?? 0, PROXY, proxyHeader(), REQUEST)).toBe("HTTP/1.1 200 OK");
    expect((await memory()) - before).toBeLessThan(64 * MIB);
    await Promise.all([...opened, slow].map(({ closed }) => closed));
    expect([...opened, slow].map((raw) => raw.text()).join("")).toBe("");
    expect(node.log.length).toBeLessThan(20);
  });
});
