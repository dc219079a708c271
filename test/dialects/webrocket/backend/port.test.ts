import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { ByteBudget } from "../../../../src/net/byte-budget.js";
import { Networks } from "../../../../src/net/networks.js";
import { cleanUp } from "../../../support/clean-up.js";
import { TestAuthority } from "../../../support/net/certificates.js";
import { proxyHeader } from "../../../support/net/proxy-header.js";
import { connectTls, WatchedCertificates } from "../../../support/net/tls.js";
import { createWorld, identityOf, packet, startBackend, until } from "./support.js";

const REQUEST = packet(identityOf("req"), "OC", "foo");

async function startTls() {
  const authority = await TestAuthority.create();
  const { certificates } = new WatchedCertificates(await authority.issueTo("CN=first", "localhost"));
  await certificates.start();
  const world = await createWorld();
  const backend = await startBackend(world, { port: { tls: { certificates, clients: "none" } } });
  return { backend, ca: readFileSync(authority.caFile) };
}

test("X13: answers 503 to a packet beyond the budget, and releases its bytes", async () => {
  const world = await createWorld();
  const budget = new ByteBudget(40_000);
  const backend = await startBackend(world, { budget });
  const begin = packet(identityOf("req"), "BC", "foo", "bar", "x".repeat(30_000)).slice(0, 25_000);
  const socket = connect(backend.port, "127.0.0.1");
  cleanUp(() => socket.destroy());
  socket.write(begin.slice(0, 10_000));
  await until(() => budget.used === 10_000);
  socket.write(begin.slice(10_000));
  expect(String(await once(socket, "data"))).toBe("ER\n503\n\r\n\r\n");
  expect(budget.used).toBe(0);
});

test("X13: serves TLS on the port", async () => {
  const { backend, ca } = await startTls();
  const socket = await connectTls(backend.port, { ca });
  socket.write(REQUEST);
  expect(String(await once(socket, "data"))).toBe("OK\n\n\r\n\r\n");
  await once(socket, "end");
});

test("X13: sends nothing unencrypted with TLS", async () => {
  const { backend } = await startTls();
  const socket = connect(backend.port, "127.0.0.1").on("error", () => {});
  cleanUp(() => socket.destroy());
  socket.write(REQUEST);
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    text += chunk;
  });
  await once(socket, "close");
  expect(text).not.toContain("OK");
});

test("X13: reads the PROXY header before anything else", async () => {
  const world = await createWorld();
  const backend = await startBackend(world, { port: { proxies: new Networks(["127.0.0.0/8"]) } });
  const socket = connect(backend.port, "127.0.0.1");
  cleanUp(() => socket.destroy());
  socket.write(Buffer.concat([proxyHeader(), Buffer.from(REQUEST)]));
  expect(String(await once(socket, "data"))).toBe("OK\n\n\r\n\r\n");
  socket.end();
  await until(() => backend.backend.connections === 0);
});
