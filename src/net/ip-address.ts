import { isIP, SocketAddress } from "node:net";

const MAPPED = "::ffff:";

/**
 * Returns an IP address in canonical form, so that texts can be compared: lower case, zeros compressed, without a zone.
 * An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`), which dual-stack sockets report, becomes IPv4.
 * @returns undefined when the text is not an IP address
 */
export function normalizeIpAddress(text: string): string | undefined {
  const version = isIP(text);
  if (version === 4) return text;
  if (version === 0) return undefined;
  const { address } = new SocketAddress({ address: text, family: "ipv6" });
  return address.startsWith(MAPPED) && address.includes(".") ? address.slice(MAPPED.length) : address;
}

/**
 * Returns the key by which limits count an address: an IPv4 address, or the 64-bit network of an IPv6 address, because the
 * owner of one IPv6 address usually has the whole network.
 * @param address - in the form of {@link normalizeIpAddress}
 */
export function toAddressKey(address: string): string {
  if (!address.includes(":")) return address;
  const [before = "", after] = address.split("::", 2);
  const groups = before === "" ? [] : before.split(":");
  if (after !== undefined) {
    const last = after === "" ? [] : after.split(":");
    // A trailing IPv4 address counts as two groups.
    const count = groups.length + last.length + (after.includes(".") ? 1 : 0);
    groups.push(...Array.from({ length: 8 - count }, () => "0"), ...last);
  }
  return `${groups.slice(0, 4).join(":")}::/64`;
}
