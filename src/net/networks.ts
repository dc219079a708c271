import { BlockList, isIPv4 } from "node:net";
import { normalizeIpAddress } from "./ip-address.js";

/** A network or a single address. */
interface Network {
  readonly address: string;
  readonly bits: number;
}

/** Parses `10.0.0.0/8`, `2001:db8::/32`, or a single address; undefined when the text is neither. */
export function parseNetwork(text: string): Network | undefined {
  const [addressText = "", bits, ...more] = text.split("/");
  const address = normalizeIpAddress(addressText);
  if (address === undefined || more.length > 0) return undefined;
  const maxBits = isIPv4(address) ? 32 : 128;
  if (bits === undefined) return { address, bits: maxBits };
  // An IPv4-mapped network has a prefix length of IPv6, which does not apply to the IPv4 address.
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > maxBits) return undefined;
  if (maxBits === 32 && addressText.includes(":")) return undefined;
  return { address, bits: Number(bits) };
}

/** A list of networks, such as those of trusted proxies. */
export class Networks {
  readonly #list = new BlockList();

  /** @throws TypeError for an invalid network; the configuration has checked them */
  constructor(networks: readonly string[]) {
    for (const text of networks) {
      const network = parseNetwork(text);
      if (network === undefined) throw new TypeError(`invalid network "${text}": expected a form such as 10.0.0.0/8`);
      this.#list.addSubnet(network.address, network.bits, isIPv4(network.address) ? "ipv4" : "ipv6");
    }
  }

  /** @param address - in any notation; an invalid address is in no network */
  includes(address: string | undefined): boolean {
    const plain = address === undefined ? undefined : normalizeIpAddress(address);
    return plain !== undefined && this.#list.check(plain, isIPv4(plain) ? "ipv4" : "ipv6");
  }
}
