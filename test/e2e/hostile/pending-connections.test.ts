import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { cleanUp } from "../../support/clean-up.js";
import { TestAuthority } from "../../support/net/certificates.js";
import { ipv4, proxyHeader } from "../../support/net/proxy-header.js";
import { type RunningNode, startCarillon } from "../../support/nodes/process.js";
import { temporaryFile } from "../../support/temporary-files.js";

const ATTACKER = "127.0.0.9";
const PROXY = "127.0.0.2";
const LIMIT = 40;
/** Share of one address: half of the limit. */
const SHARE = LIMIT / 2;
const CUT = "too many connections have not sent a request yet: new ones are closed (limits.pending_connections)";

const CONFIG = {
  limits: { pending_connections: LIMIT },
  webrocket: { backend: "127.0.0.1:0" },
  roadrunner: [{ listen: "tcp://127.0.0.1:0", vhost: "/" }],
};

function startNode(config: object = {}): Promise<RunningNode> {
  return startCarillon(["--config", temporaryFile("carillon.yaml", JSON.stringify({ ...CONFIG, ...config }))]);
}

function portOf(address: unknown): number {
  return Number(/:(\d+)$/.exec(String(address))?.[1]);
}

async function portsOf(node: RunningNode): Promise<Readonly<Record<string, number>>> {
  const { grpc, http, roadrunner, webrocketBackend } = await node.logged("ready");
  return {
    http: portOf(http),
    grpc: portOf(grpc),
    webrocket: portOf(webrocketBackend),
    roadrunner: portOf(roadrunner),
  };
}

async function open(port: number, localAddress: string, bytes: string | Uint8Array): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, localAddress });
  socket.on("error", () => {
    // The close event follows an error.
  });
  cleanUp(() => socket.destroy());
  await once(socket, "connect");
  socket.resume();
  socket.write(bytes);
  return socket;
}

/** Opens connections up to the limit. Resolves when those beyond the address's share have been closed. */
async function fill(port: number, from: string, bytes: string | Uint8Array): Promise<Socket[]> {
  const sockets: Socket[] = [];
  let closed = 0;
  const cut = new Promise<void>((resolve) => {
    const count = (): void => {
      closed += 1;
      if (closed === LIMIT - SHARE) resolve();
    };
    void (async () => {
      for (let number = 0; number < LIMIT; number += 1) {
        const socket = await open(port, from, bytes);
        sockets.push(socket);
        if (socket.destroyed) count();
        else socket.once("close", count);
      }
    })();
  });
  await cut;
  return sockets;
}

const REQUEST = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/** Returns the status line of /healthz for a client that sends these bytes first. */
async function statusFor(port: number, from: string, first: Uint8Array = Buffer.alloc(0)): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, localAddress: from });
  cleanUp(() => socket.destroy());
  socket.write(Buffer.concat([first, Buffer.from(REQUEST)]));
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  return text.slice(0, text.indexOf("\r\n"));
}

test.each([
  ["the head of an HTTP request", "http", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"],
  ["an HTTP/2 preface", "grpc", "PRI * HTTP/2.0\r\n"],
  ["a packet of WebRocket", "webrocket", "req:ann"],
  ["a frame of RoadRunner", "roadrunner", Buffer.from([0x15, 0x80])],
] as const)(
  "SECURITY, L19: cuts connections beyond the share of an address that do not finish %s",
  async (_, name, bytes) => {
    const node = await startNode();
    const ports = await portsOf(node);
    const sockets = await fill(ports[name] ?? 0, ATTACKER, bytes);
    expect(await node.logged(CUT)).toMatchObject({ level: "error" });
    expect(await statusFor(ports["http"] ?? 0, "127.0.0.1")).toBe("HTTP/1.1 200 OK");
    const metrics = await (await fetch(`${node.http}/metrics`)).text();
    expect(metrics).toMatch(/^carillon_accept_errors_total\{code="PENDING"\} [1-9]/m);
    // Closed connections do not count.
    for (const socket of sockets) socket.destroy();
    for (;;) {
      const status = await statusFor(ports["http"] ?? 0, ATTACKER).catch(() => "");
      if (status === "HTTP/1.1 200 OK") break;
    }
  },
);

test("SECURITY, L19: cuts TLS handshakes beyond the share of an address", async () => {
  const authority = await TestAuthority.create();
  const { certFile, keyFile } = await authority.issue("localhost");
  const node = await startNode({ tls: { cert_file: certFile, key_file: keyFile } });
  const { grpc = 0, http = 0 } = await portsOf(node);
  await fill(http, ATTACKER, Buffer.from([0x16, 0x03, 0x01]));
  for (const port of [http, grpc]) {
    const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false });
    cleanUp(() => socket.destroy());
    await once(socket, "secureConnect");
    expect(socket.encrypted).toBe(true);
  }
});

test("SECURITY, L19: counts by the addresses in PROXY headers", async () => {
  const node = await startNode({ proxy_protocol: true, trusted_proxies: [`${PROXY}/32`] });
  const { http = 0 } = await portsOf(node);
  const attacker = proxyHeader({ body: ipv4([203, 0, 113, 66]) });
  await fill(http, PROXY, attacker);
  expect(await statusFor(http, PROXY, proxyHeader({ body: ipv4() }))).toBe("HTTP/1.1 200 OK");
});

test("L19: does not count connections that have sent a request", async () => {
  const node = await startNode();
  const { grpc = 0, http = 0 } = await portsOf(node);
  const preface = Buffer.concat([
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
  ]);
  const request = REQUEST.replace("Connection: close\r\n", "");
  for (let count = 0; count < 2 * LIMIT; count += 1) {
    const [port, bytes] = count % 2 === 0 ? [http, request] : [grpc, preface];
    const socket = connect({ host: "127.0.0.1", port });
    cleanUp(() => socket.destroy());
    socket.write(bytes);
    // The gRPC port acknowledges the client's settings after sending its own.
    let received = 0;
    while (received < (port === http ? 1 : 18)) {
      const [chunk] = (await once(socket, "data")) as [Buffer];
      received += chunk.length;
    }
  }
  expect(await statusFor(http, "127.0.0.1")).toBe("HTTP/1.1 200 OK");
});
