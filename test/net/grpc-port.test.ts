import { once } from "node:events";
import { readFileSync } from "node:fs";
import {
  type ChannelCredentials,
  Client,
  credentials,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { getCertificateSubject } from "../../src/net/certificate-subject.js";
import { Networks } from "../../src/net/networks.js";
import { PortListener, type PortOptions } from "../../src/net/port-listener.js";
import { cleanUp } from "../support/clean-up.js";
import { type Certificate, TestAuthority } from "../support/net/certificates.js";
import { proxyHeader } from "../support/net/proxy-header.js";
import { startPrefixingProxy } from "../support/net/tcp-proxy.js";
import { MountedSecret, WatchedCertificates } from "../support/net/tls.js";

const same = (bytes: Buffer): Buffer => bytes;
const WAY = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };
const WHO = { path: "/test.Who/Who", requestStream: false, responseStream: false, ...WAY };
const ECHO = { path: "/test.Who/Echo", requestStream: true, responseStream: true, ...WAY };

interface GrpcPort {
  readonly port: number;
  readonly listener: PortListener;
  readonly server: Server;
  /** The certificate objects of the received calls. */
  readonly certificates: Set<object | undefined>;
}

/** Starts a gRPC server behind a port; its method Who returns a call's address and certificate subject. */
async function startGrpc(options: Partial<PortOptions> = {}): Promise<GrpcPort> {
  const certificates = new Set<object | undefined>();
  const server = new Server();
  const handlers = {
    Who: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      const { sslPeerCertificate } = call.getAuthContext();
      certificates.add(sslPeerCertificate);
      const peer = call.getPeer().replace(/:\d+$/, "");
      callback(null, Buffer.from(`${peer} ${getCertificateSubject(sslPeerCertificate)}`));
    },
    Echo: (call: ServerDuplexStream<Buffer, Buffer>) => {
      call.on("data", (bytes: Buffer) => call.write(bytes));
      call.on("end", () => call.end());
    },
  };
  server.addService({ Who: WHO, Echo: ECHO }, handlers);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = new PortListener({
    address: { host: "127.0.0.1", port: 0 },
    ...options,
    alpn: "h2",
    onConnection: (socket) => injector.injectConnection(socket),
  });
  const { port } = await listener.listen();
  cleanUp(() => {
    server.forceShutdown();
    listener.terminate();
  });
  return { certificates, port, listener, server };
}

function clientOf(port: number, channel: ChannelCredentials): Client {
  const client = new Client(`127.0.0.1:${port}`, channel, { "grpc.ssl_target_name_override": "localhost" });
  cleanUp(() => client.close());
  return client;
}

function who(client: Client): Promise<string> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(WHO.path, same, same, Buffer.alloc(0), (error, answer) => {
      if (error === null) resolve(String(answer));
      else reject(error);
    });
  });
}

function own({ certFile, keyFile }: Certificate): [Buffer, Buffer] {
  return [readFileSync(keyFile), readFileSync(certFile)];
}

test("serves calls with the address that their proxy reported", async () => {
  const { port } = await startGrpc({ proxies: new Networks(["127.0.0.1"]) });
  const proxy = await startPrefixingProxy(port, proxyHeader());
  expect(await who(clientOf(proxy.port, credentials.createInsecure()))).toBe("203.0.113.7 undefined");
});

test("serves TLS calls with their certificate's subject and the address that their proxy reported", async () => {
  const authority = await TestAuthority.create();
  const { certificates } = new WatchedCertificates({
    ...(await authority.issue("localhost")),
    clientCaFile: authority.caFile,
  });
  await certificates.start();
  const tls = { certificates, clients: "required" } as const;
  const { certificates: seen, port } = await startGrpc({ tls, proxies: new Networks(["127.0.0.1"]) });
  const proxy = await startPrefixingProxy(port, proxyHeader());
  const ca = readFileSync(authority.caFile);
  const worker = own(await authority.issueTo("O=Acme, CN=worker"));
  const client = clientOf(proxy.port, credentials.createSsl(ca, ...worker));
  for (let round = 0; round < 3; round += 1) expect(await who(client)).toBe("203.0.113.7 CN=worker,O=Acme");
  // The certificate is parsed once for all calls of a connection.
  expect(seen.size).toBe(1);
  await expect(who(clientOf(proxy.port, credentials.createSsl(ca)))).rejects.toMatchObject({ code: 14 });
});

test("keeps streams when the certificate changes, and uses the new one for new connections", async () => {
  const authority = await TestAuthority.create();
  const secret = new MountedSecret(await authority.issue("localhost"));
  const watched = new WatchedCertificates({ certFile: secret.certFile, keyFile: secret.keyFile });
  await watched.certificates.start();
  const { port } = await startGrpc({ tls: { certificates: watched.certificates, clients: "none" } });
  const before = clientOf(port, credentials.createSsl(readFileSync(authority.caFile)));
  const stream = before.makeBidiStreamRequest(ECHO.path, same, same);
  const echo = async (text: string): Promise<string> => {
    stream.write(Buffer.from(text));
    const [answer] = (await once(stream, "data")) as [Buffer];
    return answer.toString();
  };
  expect(await echo("1")).toBe("1");
  const other = await TestAuthority.create();
  secret.replace(await other.issue("localhost"));
  await watched.events.next();
  expect(await echo("2")).toBe("2");
  expect(await who(before)).toBe("127.0.0.1 undefined");
  expect(await who(clientOf(port, credentials.createSsl(readFileSync(other.caFile))))).toBe("127.0.0.1 undefined");
  stream.end();
  await once(stream.resume(), "end");
});

test("L7: waits for open streams in a graceful stop, then closes the port", async () => {
  const { listener, port, server } = await startGrpc();
  const client = clientOf(port, credentials.createInsecure());
  const stream = client.makeBidiStreamRequest(ECHO.path, same, same);
  stream.write(Buffer.from("1"));
  await once(stream, "data");
  let stopped = false;
  const shutDown = new Promise<void>((resolve) => {
    server.tryShutdown(() => resolve());
  });
  const stop = Promise.all([listener.close(), shutDown]).then(() => {
    stopped = true;
  });
  stream.write(Buffer.from("2"));
  const [answer] = (await once(stream, "data")) as [Buffer];
  expect([answer.toString(), stopped]).toEqual(["2", false]);
  stream.end();
  await once(stream.resume(), "end");
  await stop;
});
