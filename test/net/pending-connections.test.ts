import { PassThrough } from "node:stream";
import { Networks } from "../../src/net/networks.js";
import { PendingConnections } from "../../src/net/pending-connections.js";

function socket(): PassThrough {
  return new PassThrough();
}

/** Adds connections of one address until one is refused. Returns the number of accepted ones. */
function fill(pending: PendingConnections, address: string | undefined): number {
  let count = 0;
  while (pending.add(socket(), address)) count += 1;
  return count;
}

test("L19: gives one address half of the limit and two a third each, and accepts the next", () => {
  let refused = 0;
  const onRefused = (): void => {
    refused += 1;
  };
  const pending = new PendingConnections({ limit: 60, onRefused });
  expect(fill(pending, "192.0.2.1")).toBe(30);
  expect(fill(pending, "192.0.2.2")).toBe(15);
  expect(fill(pending, "192.0.2.3")).toBe(7);
  expect([pending.size, refused]).toEqual([52, 3]);
});

test("L19: counts an IPv6 network of 64 bits as one address, and an IPv4 address once in any notation", () => {
  const pending = new PendingConnections({ limit: 60 });
  expect(fill(pending, "2001:db8::1")).toBe(30);
  expect(pending.add(socket(), "2001:db8::2")).toBe(false);
  expect(pending.add(socket(), "2001:db8:0:1::2")).toBe(true);
  const mapped = new PendingConnections({ limit: 60 });
  expect(fill(mapped, "::ffff:192.0.2.1")).toBe(30);
  expect(mapped.add(socket(), "192.0.2.1")).toBe(false);
});

test("L19: lets a trusted proxy use the whole limit, and counts its clients by their reported addresses", () => {
  const pending = new PendingConnections({ limit: 60, proxies: new Networks(["192.0.2.0/24"]) });
  const proxied = Array.from({ length: 60 }, socket);
  for (const each of proxied) expect(pending.add(each, "192.0.2.1")).toBe(true);
  expect(pending.add(socket(), "192.0.2.1")).toBe(false);
  for (const each of proxied.slice(31)) pending.settle(each);
  expect(pending.readdress(proxied[0] ?? socket(), "198.51.100.1")).toBe(true);
  for (const each of proxied.slice(1, 29)) pending.readdress(each, "198.51.100.1");
  expect(pending.readdress(proxied[29] ?? socket(), "198.51.100.1")).toBe(false);
});

test("L19: counts a connection until its first request or its end, also after its TLS handshake", async () => {
  const pending = new PendingConnections({ limit: 10 });
  const [settled, closed, plain, secure] = [socket(), socket(), socket(), socket()];
  for (const each of [settled, closed, plain]) pending.add(each, "192.0.2.1");
  pending.settle(settled);
  pending.settle(settled);
  closed.destroy();
  await new Promise(setImmediate);
  expect(pending.size).toBe(1);
  pending.replace(plain, secure);
  plain.destroy();
  await new Promise(setImmediate);
  expect(pending.size).toBe(1);
  secure.destroy();
  await new Promise(setImmediate);
  expect(pending.size).toBe(0);
  expect(fill(pending, "192.0.2.1")).toBe(5);
});
