import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { createClientAddress } from "../../src/net/client-address.js";
import { Networks } from "../../src/net/networks.js";
import { setPeerAddress } from "../../src/net/peer-address.js";

const PROXIES = new Networks(["10.0.0.0/8", "2001:db8::/32"]);

function addressOf(peer: string, forwarded: string | undefined, trusted: Networks | undefined = PROXIES): string {
  const socket = new Socket();
  setPeerAddress(socket, { address: peer, port: 1 });
  const request = new IncomingMessage(socket);
  if (forwarded !== undefined) request.headers["x-forwarded-for"] = forwarded;
  return createClientAddress(trusted)(request);
}

test.each([
  ["no header", "10.0.0.1", undefined, "10.0.0.1"],
  ["from a proxy", "10.0.0.1", "203.0.113.7", "203.0.113.7"],
  ["a proxy by its mapped address", "::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"],
  ["a header from an untrusted peer", "198.51.100.1", "203.0.113.7", "198.51.100.1"],
  ["a proxy's address from an untrusted peer", "198.51.100.1", "10.0.0.1", "198.51.100.1"],
  ["a forged address at the left", "10.0.0.1", "1.1.1.1, 203.0.113.7", "203.0.113.7"],
  ["a forged proxy at the left", "10.0.0.1", "10.9.9.9, 203.0.113.7", "203.0.113.7"],
  ["through several proxies", "10.0.0.1", "1.1.1.1, 203.0.113.7, 10.0.0.3,10.0.0.2", "203.0.113.7"],
  ["proxies only", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
  ["a word", "10.0.0.1", "203.0.113.7, unknown", "10.0.0.1"],
  ["a word before a proxy", "10.0.0.1", "203.0.113.7, unknown, 10.0.0.2", "10.0.0.2"],
  ["empty", "10.0.0.1", "", "10.0.0.1"],
  ["commas", "10.0.0.1", ",,,", "10.0.0.1"],
  ["surrounding white space", "10.0.0.1", "1.1.1.1,\t 203.0.113.7:4711 \t", "203.0.113.7"],
  ["a port", "10.0.0.1", "203.0.113.7:4711", "203.0.113.7"],
  ["IPv6", "2001:db8::1", "2001:DB9:0::7", "2001:db9::7"],
  ["IPv6 in brackets", "10.0.0.1", "[2001:db9::7]", "2001:db9::7"],
  ["IPv6 with a port", "10.0.0.1", "[2001:db9::7]:4711", "2001:db9::7"],
  ["IPv4 in IPv6", "10.0.0.1", "::ffff:203.0.113.7", "203.0.113.7"],
])("A12: finds the client's address: %s", (_, peer, forwarded, expected) => {
  expect(addressOf(peer, forwarded)).toBe(expected);
});

test("A12: ignores X-Forwarded-For without trusted proxies", () => {
  const socket = new Socket();
  setPeerAddress(socket, { address: "::ffff:10.0.0.1", port: 1 });
  const request = new IncomingMessage(socket);
  request.headers["x-forwarded-for"] = "203.0.113.7";
  expect(createClientAddress(undefined)(request)).toBe("10.0.0.1");
});

test("O12: reads a header of white space in linear time", () => {
  const begin = performance.now();
  expect(addressOf("10.0.0.1", `${" ".repeat(100_000)}x${" ".repeat(100_000)}y`)).toBe("10.0.0.1");
  // Quadratic time would be half a minute.
  expect(performance.now() - begin).toBeLessThan(1_000);
});

test("returns an empty address for an ended connection", () => {
  expect(createClientAddress(PROXIES)(new IncomingMessage(new Socket()))).toBe("");
});
