import { normalizeIpAddress, toAddressKey } from "../../src/net/ip-address.js";
import { Networks, parseNetwork } from "../../src/net/networks.js";

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::FFFF:c000:0201", "192.0.2.1"],
  ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
  ["2001:DB8:0:0::1", "2001:db8::1"],
  ["fe80::1%eth0", "fe80::1"],
  ["::1", "::1"],
  ["::", "::"],
])("normalizes %s to %s", (text, expected) => {
  expect(normalizeIpAddress(text)).toBe(expected);
});

test.each(["", "unknown", "192.0.2", "192.0.2.256", "192.0.2.01", "[::1]", "::1::", "1.2.3.4:80", " 1.2.3.4", "ffff"])(
  "rejects %j as an address",
  (text) => {
    expect(normalizeIpAddress(text)).toBeUndefined();
  },
);

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::1", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["2001:db8::", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["::", "0:0:0:0::/64"],
  ["64:ff9b::192.0.2.1", "64:ff9b:0:0::/64"],
  ["1:2:3::4:5:6:7", "1:2:3:0::/64"],
])("A11: counts %s as the address %s", (address, key) => {
  expect(toAddressKey(address)).toBe(key);
});

test.each([
  ["10.0.0.0/8", "10.255.0.1", true],
  ["10.0.0.0/8", "::ffff:10.1.2.3", true],
  ["10.0.0.0/8", "11.0.0.1", false],
  ["10.0.0.0/8", "::a00:1", false],
  ["10.1.2.3", "10.1.2.3", true],
  ["10.1.2.3", "10.1.2.4", false],
  ["0.0.0.0/0", "8.8.8.8", true],
  ["0.0.0.0/0", "2001:db8::1", false],
  ["2001:db8::/32", "2001:DB8:ffff::1", true],
  ["2001:db8::/32", "2001:db9::1", false],
  ["::1", "::1", true],
  ["::ffff:10.1.2.3", "10.1.2.3", true],
  ["::/0", "2001:db8::1", true],
  ["10.0.0.0/8", "nonsense", false],
])("matches the network %s with %s: %s", (network, address, included) => {
  expect(new Networks([network]).includes(address)).toBe(included);
  expect(new Networks(["198.51.100.0/24", network]).includes(address)).toBe(included);
});

test("matches no address without networks, and no unknown address", () => {
  expect(new Networks([]).includes("10.0.0.1")).toBe(false);
  expect(new Networks(["0.0.0.0/0"]).includes(undefined)).toBe(false);
});

test.each([
  "",
  "10.0.0.0/33",
  "10.0.0.0/",
  "10.0.0.0/8/8",
  "10.0.0/8",
  "::/129",
  "/8",
  "host/8",
  "::ffff:10.0.0.0/104",
])("rejects %j as a network", (text) => {
  expect(parseNetwork(text)).toBeUndefined();
  expect(() => new Networks([text])).toThrow(TypeError);
});
