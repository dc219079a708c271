/** Address to listen on or to connect to. */
export interface Address {
  /** A name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string;
  /** 0 to 65535; 0 lets the system choose a free port. */
  readonly port: number;
}

/** Parses `HOST:PORT`, `[IPV6]:PORT` or `:PORT` (all interfaces); undefined when invalid. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<host>[^:\s[\]/]*)):(?<port>\d{1,5})$/.exec(text);
  if (match?.groups === undefined) return undefined;
  const { host, port, v6 } = match.groups;
  const number = Number(port);
  if (number > 65_535) return undefined;
  return { host: v6 ?? (host || "0.0.0.0"), port: number };
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Returns true when only this machine can reach the address. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}
