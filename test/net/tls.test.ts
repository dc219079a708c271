import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { getCertificateSubject } from "../../src/net/certificate-subject.js";
import { Networks } from "../../src/net/networks.js";
import { PortListener, type PortOptions } from "../../src/net/port-listener.js";
import type { ClientCertificates } from "../../src/net/tls-handshakes.js";
import { cleanUp } from "../support/clean-up.js";
import { type Certificate, TestAuthority } from "../support/net/certificates.js";
import { proxyHeader } from "../support/net/proxy-header.js";
import { connectTls, MountedSecret, WatchedCertificates } from "../support/net/tls.js";

/** Longer than any test's timeout, in milliseconds. */
const NEVER = 600_000;

let authority: TestAuthority;

beforeEach(async () => {
  authority = await TestAuthority.create();
});

interface Port {
  readonly port: number;
  readonly listener: PortListener;
}

/** Starts a port that sends each connection its remote address and certificate subject, then echoes. */
async function startEcho(
  { certificates }: WatchedCertificates,
  clients: ClientCertificates = "none",
  options: Partial<PortOptions> = {},
): Promise<Port> {
  await certificates.start();
  const listener = new PortListener({
    address: { host: "127.0.0.1", port: 0 },
    tls: { certificates, clients },
    handshakeTimeout: NEVER,
    ...options,
    alpn: "h2",
    onConnection: (socket) => {
      const certificate = (socket as TLSSocket).getPeerCertificate();
      const subject = certificate.raw === undefined ? undefined : getCertificateSubject(certificate);
      socket.on("error", () => {});
      socket.write(`${socket.remoteAddress} ${subject}\n`);
      socket.pipe(socket);
    },
  });
  const { port } = await listener.listen();
  cleanUp(() => listener.close());
  return { port, listener };
}

function trust(more: ConnectionOptions = {}): ConnectionOptions {
  return { ca: readFileSync(authority.caFile), ALPNProtocols: ["h2"], ...more };
}

function own({ certFile, keyFile }: Certificate): ConnectionOptions {
  return { cert: readFileSync(certFile), key: readFileSync(keyFile) };
}

/** Reads the next line; undefined when the connection ends first. */
async function line(socket: Socket): Promise<string | undefined> {
  let text = "";
  try {
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      text += String(chunk);
      if (text.endsWith("\n")) return text.trim();
    }
  } catch {
    // A reset counts as the end.
  }
  return undefined;
}

function waitForClose(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
  });
}

async function ask(socket: Socket, text: string): Promise<string | undefined> {
  socket.write(`${text}\n`);
  return line(socket);
}

test("negotiates TLS connections and their protocol", async () => {
  const { port } = await startEcho(new WatchedCertificates(await authority.issue("localhost")));
  const socket = await connectTls(port, trust());
  expect(socket.alpnProtocol).toBe("h2");
  expect(await line(socket)).toBe("127.0.0.1 undefined");
  expect(await ask(socket, "ping")).toBe("ping");
});

test.each([
  ["TLSv1.2", "TLSv1.1", "no connection"],
  ["TLSv1.2", "TLSv1.2", "TLSv1.2"],
  ["TLSv1.3", "TLSv1.2", "no connection"],
  ["TLSv1.3", "TLSv1.3", "TLSv1.3"],
] as const)("with a minimum of %s, gives a client with %s: %s", async (minVersion, version, expected) => {
  const watched = new WatchedCertificates({ ...(await authority.issue("localhost")), minVersion });
  const { port } = await startEcho(watched);
  // OpenSSL's default security level would keep the client from offering old versions.
  const client = trust({ minVersion: version, maxVersion: version, ciphers: "DEFAULT@SECLEVEL=0" });
  const agreed = await connectTls(port, client).then(
    (socket) => socket.getProtocol(),
    () => "no connection",
  );
  expect(agreed).toBe(expected);
});

test("uses a new certificate for new connections, and keeps existing ones", async () => {
  const secret = new MountedSecret(await authority.issueTo("CN=first", "localhost"));
  const watched = new WatchedCertificates(secret);
  const { port } = await startEcho(watched);
  const before = await connectTls(port, trust());
  await line(before);
  expect(before.getPeerCertificate().subject.CN).toBe("first");
  const session = before.getSession();
  for (const name of ["second", "third"]) {
    secret.replace(await authority.issueTo(`CN=${name}`, "localhost"));
    expect(await watched.events.next()).toMatchObject({ subject: `CN=${name}` });
    const after = await connectTls(port, trust());
    expect(after.getPeerCertificate().subject.CN).toBe(name);
    expect(await ask(before, "ping")).toBe("ping");
  }
  // A session of the old certificate is not resumed: the client makes a full handshake.
  const resumed = await connectTls(port, trust(session === undefined ? {} : { session }));
  expect([resumed.isSessionReused(), resumed.getPeerCertificate().subject.CN]).toEqual([false, "third"]);
  expect(watched.events.unread).toEqual([]);
});

test("keeps the minimum version when the certificate changes", async () => {
  const secret = new MountedSecret(await authority.issue("localhost"));
  const watched = new WatchedCertificates({
    certFile: secret.certFile,
    keyFile: secret.keyFile,
    minVersion: "TLSv1.3",
  });
  const { port } = await startEcho(watched);
  secret.replace(await authority.issue("localhost"));
  await watched.events.next();
  await expect(connectTls(port, trust({ maxVersion: "TLSv1.2" }))).rejects.toThrow(/alert/);
});

test("requests no client certificate without authorities", async () => {
  const { port } = await startEcho(new WatchedCertificates(await authority.issue("localhost")));
  const client = await authority.issueTo("CN=worker");
  expect(await line(await connectTls(port, trust(own(client))))).toBe("127.0.0.1 undefined");
});

describe("client certificates", () => {
  let clientAuthority: TestAuthority;
  let watched: WatchedCertificates;

  beforeEach(async () => {
    clientAuthority = await TestAuthority.create();
    const certificate = await authority.issue("localhost");
    watched = new WatchedCertificates({ ...certificate, clientCaFile: clientAuthority.caFile });
  });

  test.each([
    ["CN=worker", "CN=worker"],
    ["C=DE, O=Acme, OU=Ops, CN=worker", "CN=worker,OU=Ops,O=Acme,C=DE"],
    ['O="Acme, Inc", CN=worker', "CN=worker,O=Acme\\, Inc"],
    ['CN="worker,O=Acme"', "CN=worker\\,O=Acme"],
  ])("formats the subject %s as %s", async (subject, formatted) => {
    const { port } = await startEcho(watched, "required");
    const client = await clientAuthority.issueTo(subject);
    expect(await line(await connectTls(port, trust(own(client))))).toBe(`127.0.0.1 ${formatted}`);
  });

  test("knows the subject of a client that resumes its session", async () => {
    const { port } = await startEcho(watched, "required");
    const client = trust(own(await clientAuthority.issueTo("CN=worker")));
    const first = await connectTls(port, client);
    const tickets: Buffer[] = [];
    first.on("session", (ticket) => tickets.push(ticket));
    await line(first);
    await ask(first, "ping");
    const [session] = tickets;
    if (session === undefined) throw new Error("no session was given");
    const again = await connectTls(port, { ...client, session });
    expect([again.isSessionReused(), await line(again)]).toEqual([true, "127.0.0.1 CN=worker"]);
  });

  test.each([
    ["required", "none", undefined],
    ["required", "of another authority", undefined],
    ["optional", "none", "127.0.0.1 undefined"],
    ["optional", "of another authority", undefined],
    ["optional", "of the right authority", "127.0.0.1 CN=worker"],
  ] as const)("when %s, gives a client with the certificate (%s): %s", async (clients, which, expected) => {
    const { port } = await startEcho(watched, clients);
    const issuer = which === "of another authority" ? authority : clientAuthority;
    const certificate = which === "none" ? {} : own(await issuer.issueTo("CN=worker"));
    const socket = await connectTls(port, trust(certificate)).catch(() => undefined);
    expect(socket && (await line(socket))).toBe(expected);
  });

  test("are not requested on a port without them, with the same files", async () => {
    const { port } = await startEcho(watched, "none");
    const client = await clientAuthority.issueTo("CN=worker");
    expect(await line(await connectTls(port, trust(own(client))))).toBe("127.0.0.1 undefined");
  });
});

test("reports the proxied client's address when TLS follows the PROXY header", async () => {
  const watched = new WatchedCertificates(await authority.issue("localhost"));
  const { port } = await startEcho(watched, "none", { proxies: new Networks(["127.0.0.1"]) });
  const raw = connect({ host: "127.0.0.1", port });
  cleanUp(() => raw.destroy());
  await once(raw, "connect");
  raw.write(proxyHeader());
  const socket = await connectTls(port, trust({ socket: raw }));
  expect(await line(socket)).toBe("203.0.113.7 undefined");
  expect(await ask(socket, "ping")).toBe("ping");
});

test.each([
  ["plain text", "GET / HTTP/1.1\r\nHost: test\r\n\r\n"],
  ["garbage", "\u0016\u0003\u0001\u00ff\u00ff garbage"],
])("O8: closes a connection that sends %s instead of a handshake, and serves others", async (_, text) => {
  const { port } = await startEcho(new WatchedCertificates(await authority.issue("localhost")), "none", {
    handshakeTimeout: 3_000,
  });
  const witness = await connectTls(port, trust());
  await line(witness);
  const raw = connect({ host: "127.0.0.1", port });
  cleanUp(() => raw.destroy());
  raw.on("error", () => {}).resume();
  raw.write(text, "latin1");
  await waitForClose(raw);
  expect(await ask(witness, "ping")).toBe("ping");
});

test("L12: closes a connection whose TLS handshake takes too long", async () => {
  const { port } = await startEcho(new WatchedCertificates(await authority.issue("localhost")), "none", {
    handshakeTimeout: 20,
  });
  const raw = connect({ host: "127.0.0.1", port });
  cleanUp(() => raw.destroy());
  raw.on("error", () => {}).resume();
  await waitForClose(raw);
  expect(raw.bytesRead).toBe(0);
});

test("L7: closes a port without waiting for handshakes, but waits for connections", async () => {
  const { listener, port } = await startEcho(new WatchedCertificates(await authority.issue("localhost")));
  const silent = connect({ host: "127.0.0.1", port });
  cleanUp(() => silent.destroy());
  await once(silent, "connect");
  const socket = await connectTls(port, trust());
  await line(socket);
  let closed = false;
  const closing = listener.close().then(() => {
    closed = true;
  });
  silent.on("error", () => {}).resume();
  await waitForClose(silent);
  expect(await ask(socket, "ping")).toBe("ping");
  expect(closed).toBe(false);
  socket.destroy();
  await closing;
});
