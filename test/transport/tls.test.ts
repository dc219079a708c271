import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { request } from "node:https";
import { connect as connectTcp } from "node:net";
import type { TLSSocket } from "node:tls";
import { WebSocket } from "ws";
import { createClientAddress } from "../../src/net/client-address.js";
import { Networks } from "../../src/net/networks.js";
import { withResolvers } from "../../src/util/with-resolvers.js";
import { cleanUp } from "../support/clean-up.js";
import { TestAuthority } from "../support/net/certificates.js";
import { proxyHeader } from "../support/net/proxy-header.js";
import { connectTls, MountedSecret, WatchedCertificates } from "../support/net/tls.js";
import { passUntilCut, takeSome } from "../support/nodes/slow-reader.js";
import { TestAdmission } from "../support/nodes/test-admission.js";
import { upgradeRequest } from "../support/raw/client.js";

interface TlsServer {
  readonly server: TestAdmission;
  readonly port: number;
  readonly ca: Buffer;
  readonly watched: WatchedCertificates;
  replace(subject: string): Promise<void>;
}

async function startTls(options: ConstructorParameters<typeof TestAdmission>[0] = {}): Promise<TlsServer> {
  const authority = await TestAuthority.create();
  const secret = new MountedSecret(await authority.issueTo("CN=first", "localhost"));
  const watched = new WatchedCertificates({ certFile: secret.certFile, keyFile: secret.keyFile });
  await watched.certificates.start();
  const server = await new TestAdmission({
    tls: { certificates: watched.certificates, clients: "none" },
    ...options,
  }).start();
  return {
    server,
    port: Number(new URL(server.url).port),
    ca: readFileSync(authority.caFile),
    watched,
    async replace(subject) {
      secret.replace(await authority.issueTo(subject, "localhost"));
      await watched.events.next();
    },
  };
}

async function get({ ca, port }: TlsServer, path = "/"): Promise<{ status: number; body: string; subject: string }> {
  const outgoing = request({ host: "127.0.0.1", servername: "localhost", port, path, ca, agent: false }).end();
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  const { subject } = (response.socket as TLSSocket).getPeerCertificate();
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode ?? 0, body, subject: String(subject.CN) };
}

async function openWebSocket({ ca, port }: TlsServer): Promise<WebSocket> {
  const webSocket = new WebSocket(`wss://localhost:${port}/ws`, { ca, perMessageDeflate: false });
  cleanUp(() => webSocket.terminate());
  await once(webSocket, "open");
  return webSocket;
}

async function echo(webSocket: WebSocket, text: string): Promise<string> {
  webSocket.send(text);
  const [data] = (await once(webSocket, "message")) as [Buffer];
  return data.toString();
}

test("serves requests and WebSockets over TLS", async () => {
  const tls = await startTls();
  expect(await get(tls)).toEqual({ status: 200, body: "page", subject: "first" });
  expect((await get(tls, "/nowhere")).status).toBe(404);
  const webSocket = await openWebSocket(tls);
  expect(await echo(webSocket, "ping")).toBe("ping");
  const large = "x".repeat(1_000_000);
  expect(await echo(webSocket, large)).toBe(large);
});

test("keeps a WebSocket when the certificate changes, and uses the new one for new connections", async () => {
  const tls = await startTls();
  const webSocket = await openWebSocket(tls);
  await tls.replace("CN=second");
  expect(await echo(webSocket, "ping")).toBe("ping");
  expect((await get(tls)).subject).toBe("second");
  expect(await echo(await openWebSocket(tls), "ping")).toBe("ping");
});

test("O8: closes the connection on plain HTTP to a TLS port, and serves others", async () => {
  const tls = await startTls();
  await expect(fetch(tls.server.url)).rejects.toThrow("fetch failed");
  expect((await get(tls)).status).toBe(200);
});

test("A12: takes the client's address from a PROXY header before TLS", async () => {
  const proxies = new Networks(["127.0.0.1"]);
  const tls = await startTls({ proxies, clientAddress: createClientAddress(proxies) });
  const raw = connectTcp({ host: "127.0.0.1", port: tls.port });
  cleanUp(() => raw.destroy());
  await once(raw, "connect");
  raw.write(proxyHeader());
  const socket = await connectTls(tls.port, { ca: tls.ca, socket: raw });
  socket.write(upgradeRequest());
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 101 /);
  expect((await tls.server.admissionRequests.next()).origin.address).toBe("203.0.113.7");
});

test("O8: ignores an upgrade to another protocol over TLS", async () => {
  const tls = await startTls();
  const socket = await connectTls(tls.port, { ca: tls.ca });
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 [^]*page/);
});

test("L7: does not wait for unused TLS connections when it stops", async () => {
  const tls = await startTls();
  const silent = await connectTls(tls.port, { ca: tls.ca });
  silent.on("error", () => {}).resume();
  const behind = once(silent, "close");
  // After a round trip the server has completed the handshake.
  await get(tls);
  await tls.server.http.close();
  await behind;
  expect(silent.bytesRead).toBe(0);
});

test("L7: waits for a pending request over TLS when it stops", async () => {
  const pending = withResolvers<ServerResponse>();
  const tls = await startTls({
    routes: new Map([
      [
        "/slow",
        (_request, response) => {
          pending.resolve(response);
        },
      ],
    ]),
  });
  const response = get(tls, "/slow");
  const outgoing = await pending.promise;
  const closed = tls.server.http.close();
  outgoing.end("slow");
  expect((await response).body).toBe("slow");
  await closed;
});

/** More bytes than the system's buffers hold. */
const LARGE = Buffer.alloc(24 * 1_024 * 1_024, "x");
const GET = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/** Starts a listener with a large page, and requests the page with a client that counts the received bytes. */
async function requestLargePage() {
  const answered = withResolvers<ServerResponse>();
  const page = (_request: IncomingMessage, response: ServerResponse): void => {
    answered.resolve(response.end(LARGE));
  };
  const { ca, server, port } = await startTls({ times: { answer: 1_000 }, routes: new Map([["/", page]]) });
  const socket = await connectTls(port, { ca });
  const received = { bytes: 0, ended: once(socket, "close") };
  socket.on("data", (chunk: Buffer) => {
    received.bytes += chunk.length;
  });
  socket.pause();
  socket.write(GET);
  return { server, received, response: await answered.promise, socket };
}

test("L12: cuts a peer that does not read its response", async () => {
  const { server, received, response, socket } = await requestLargePage();
  await passUntilCut(server, response);
  socket.resume();
  await received.ended;
  expect(received.bytes).toBeLessThan(LARGE.length);
});

test("L12: sends the whole response to a peer that reads slowly", async () => {
  const { server, received, response, socket } = await requestLargePage();
  while (!response.writableFinished) await takeSome(server, response, socket);
  socket.resume();
  await received.ended;
  expect(received.bytes).toBeGreaterThan(LARGE.length);
});
