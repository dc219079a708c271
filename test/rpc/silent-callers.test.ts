import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { Networks } from "../../src/net/networks.js";
import type { PortOptions } from "../../src/net/port-listener.js";
import { CallAuthorizer } from "../../src/rpc/call-authorizer.js";
import type { GrpcMountOptions } from "../../src/rpc/grpc/grpc-mount-options.js";
import { systemClock } from "../../src/util/system-clock.js";
import { cleanUp } from "../support/clean-up.js";
import { TestAuthority } from "../support/net/certificates.js";
import { proxyHeader } from "../support/net/proxy-header.js";
import { connectTls, WatchedCertificates } from "../support/net/tls.js";
import { ampleBudget } from "../support/nodes/byte-budget.js";
import { createGrpcMount } from "../support/nodes/grpc-mount.js";
import { everybody } from "./support/keys.js";

/** Timeout beyond the test's own, which fails if it is waited for. */
const AGES = 600_000;
/** Longer than a handshake takes, also on a loaded machine. */
const SHORT = 3_000;

async function startMount(port: Partial<PortOptions>, options: Partial<GrpcMountOptions> = {}): Promise<number> {
  const mount = createGrpcMount({
    port: { address: { host: "127.0.0.1", port: 0 }, handshakeTimeout: AGES, ...port },
    services: [],
    authorizer: new CallAuthorizer(everybody(), systemClock),
    requestBytes: 1_024,
    budget: ampleBudget(),
    onFault: () => {},
    ...options,
  });
  cleanUp(() => mount.close());
  cleanUp(() => mount.terminate());
  return (await mount.listen()).port;
}

/** Connects a silent caller, behind a proxy or with TLS. */
type Silent = (port: number) => Promise<Socket>;

const plain: Silent = async (port) => {
  const socket = connect({ host: "127.0.0.1", port });
  cleanUp(() => socket.destroy());
  await once(socket, "connect");
  // The close event reports the error.
  return socket.on("error", () => {});
};

const proxied: Silent = async (port) => {
  const socket = await plain(port);
  socket.write(proxyHeader());
  return socket;
};

async function ways(): Promise<Record<string, { readonly port: Partial<PortOptions>; readonly open: Silent }>> {
  const authority = await TestAuthority.create();
  const { certificates } = new WatchedCertificates(await authority.issue("localhost"));
  await certificates.start();
  const trust = { ca: readFileSync(authority.caFile), ALPNProtocols: ["h2"] };
  const tls = { certificates, clients: "none" } as const;
  const proxies = new Networks(["127.0.0.1"]);
  return {
    plain: { port: {}, open: plain },
    TLS: { port: { tls }, open: (port) => connectTls(port, trust) },
    PROXY: { port: { proxies }, open: proxied },
    "PROXY and TLS": {
      port: { proxies, tls },
      open: async (port) => connectTls(port, { ...trust, socket: await proxied(port) }),
    },
  };
}

/** Opens HTTP/2 on a connection. Resolves when the server has answered. */
async function greet(socket: Socket): Promise<ClientHttp2Session> {
  const session = connectHttp2("http://localhost", { createConnection: () => socket });
  cleanUp(() => session.destroy());
  session.on("error", () => {});
  await once(session, "remoteSettings");
  return session;
}

async function ping(session: ClientHttp2Session): Promise<"answered"> {
  await new Promise<void>((resolve, reject) => {
    session.ping((error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
  return "answered";
}

test.each(["plain", "TLS", "PROXY", "PROXY and TLS"])(
  "L12: closes a silent connection (%s), and keeps one that has sent a request",
  async (name) => {
    const way = (await ways())[name];
    if (way === undefined) throw new Error(name);
    const port = await startMount({ ...way.port, handshakeTimeout: SHORT });
    const witness = await greet(await way.open(port));
    const silent = await way.open(port);
    const closed = once(silent, "close");
    silent.resume();
    await closed;
    // This connection was opened first.
    expect(await ping(witness)).toBe("answered");
  },
);

test("L12: sends GOAWAY on a connection without calls", async () => {
  const session = await greet(await plain(await startMount({}, { idleTimeout: 20 })));
  const closed = once(session, "close");
  await once(session, "goaway");
  await expect(closed).resolves.toBeDefined();
});
