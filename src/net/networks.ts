import { BlockList, isIPv4 } from "node:net";
import { ipAddress } from "./ip-address.js";

/** A network, or one address. */
interface Network {
  readonly address: string;
  readonly bits: number;
}

/** Reads `10.0.0.0/8`, `2001:db8::/32`, or one address; undefined for anything else. */
export function parseNetwork(text: string): Network | undefined {
  const [written = "", bits, ...more] = text.split("/");
  const address = ipAddress(written);
  if (address === undefined || more.length > 0) return undefined;
  const most = isIPv4(address) ? 32 : 128;
  if (bits === undefined) return { address, bits: most };
  // The bits of an IPv4 network that is written as an IPv6 one would count from elsewhere.
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > most || (most === 32 && written.includes(":"))) return undefined;
  return { address, bits: Number(bits) };
}

/** A list of networks, such as those of the proxies that are trusted. */
export class Networks {
  readonly #list = new BlockList();

  /** @throws TypeError for what is no network; the configuration has checked them */
  constructor(networks: readonly string[]) {
    for (const text of networks) {
      const network = parseNetwork(text);
      if (network === undefined) throw new TypeError(`${text} is no network such as 10.0.0.0/8`);
      this.#list.addSubnet(network.address, network.bits, isIPv4(network.address) ? "ipv4" : "ipv6");
    }
  }

  /** @param address - in any way of writing; what is none is in no network */
  includes(address: string | undefined): boolean {
    const plain = address === undefined ? undefined : ipAddress(address);
    return plain !== undefined && this.#list.check(plain, isIPv4(plain) ? "ipv4" : "ipv6");
  }
}
