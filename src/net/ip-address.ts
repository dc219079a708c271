import { isIP, SocketAddress } from "node:net";

const MAPPED = "::ffff:";

/**
 * An IP address in the one way that it is written here, so that texts can be compared: lower case, zeros left out,
 * without a zone, and as IPv4 where it is an IPv4 address in an IPv6 one (`::ffff:10.0.0.1`), as sockets that listen on
 * both tell it.
 * @returns undefined for what is no IP address
 */
export function ipAddress(text: string): string | undefined {
  const version = isIP(text);
  if (version === 4) return text;
  if (version === 0) return undefined;
  const { address } = new SocketAddress({ address: text, family: "ipv6" });
  return address.startsWith(MAPPED) && address.includes(".") ? address.slice(MAPPED.length) : address;
}

/**
 * What limits by address count by: an IPv4 address, or the network of 64 bits that an IPv6 address is in. Whoever has
 * one IPv6 address has as many as they like in that network.
 * @param address - as {@link ipAddress} gives it
 */
export function addressKey(address: string): string {
  if (!address.includes(":")) return address;
  const [before = "", after] = address.split("::", 2);
  const groups = before === "" ? [] : before.split(":");
  if (after !== undefined) {
    const last = after === "" ? [] : after.split(":");
    // An IPv4 address at the end stands for two groups.
    const written = groups.length + last.length + (after.includes(".") ? 1 : 0);
    groups.push(...Array.from({ length: 8 - written }, () => "0"), ...last);
  }
  return `${groups.slice(0, 4).join(":")}::/64`;
}
