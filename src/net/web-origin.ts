import { normalizeIpAddress } from "./ip-address.js";

/** A host and a port, as in `Host` and at the end of an origin. */
export interface Authority {
  /** In lower case; an IPv6 address in brackets, in the form of {@link normalizeIpAddress}. */
  readonly host: string;
  /** Digits without leading zeros; "" without a port. */
  readonly port: string;
}

/** Scheme, host and port of a page. Source: RFC 6454 §6.1. */
export interface WebOrigin extends Authority {
  /** In lower case, without the colon. */
  readonly scheme: string;
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: "80", https: "443", ws: "80", wss: "443" };

const SCHEME = /^(?<scheme>[a-z][a-z0-9+.-]*):\/\/(?<authority>.*)$/;
const AUTHORITY = /^(?<host>\[[0-9a-f:.]+\]|[^:[\]]*)(?::(?<port>\d{1,5}))?$/;
/** Matches the labels of a name, or an IPv4 address. A trailing dot marks a fully qualified name. */
const NAME = /^[\w~!$&'()*+,;=-]+(?:\.[\w~!$&'()*+,;=-]+)*\.?$/;
const MAX_PORT = 65_535;

/**
 * Parses HOST or HOST:PORT.
 * @returns undefined when invalid, for example with a user name, a path, an empty label, or an IPv6 zone
 */
export function parseAuthority(text: string): Authority | undefined {
  const { host = "", port } = AUTHORITY.exec(text.toLowerCase())?.groups ?? {};
  if (port !== undefined && Number(port) > MAX_PORT) return undefined;
  const canonical = host.startsWith("[") ? formatBracketed(host.slice(1, -1)) : host;
  if (canonical === undefined || !(canonical.startsWith("[") || NAME.test(canonical))) return undefined;
  return { host: canonical, port: port === undefined ? "" : String(Number(port)) };
}

/**
 * Parses an Origin header, also with the trailing slash that some clients send. Omits the scheme's default port, as
 * browsers do.
 * @returns undefined for `null`, and for an invalid origin
 */
export function parseOrigin(text: string): WebOrigin | undefined {
  const { authority = "", scheme = "" } = SCHEME.exec(text.toLowerCase())?.groups ?? {};
  if (scheme === "") return undefined;
  if (scheme === "file") return authority === "" || authority === "/" ? { scheme, host: "", port: "" } : undefined;
  const parsed = parseAuthority(authority.replace(/\/$/, ""));
  return parsed && omitDefaultPort({ scheme, ...parsed });
}

/** Returns the origin as browsers write it. */
export function omitDefaultPort(origin: WebOrigin): WebOrigin {
  return origin.port !== "" && DEFAULT_PORTS[origin.scheme] === origin.port ? { ...origin, port: "" } : origin;
}

/** Formats an IPv6 address. IPv4-mapped addresses stay IPv6, because for browsers they are different origins. */
function formatBracketed(address: string): string | undefined {
  const canonical = normalizeIpAddress(address);
  if (canonical === undefined) return undefined;
  return canonical.includes(":") ? `[${canonical}]` : `[${address}]`;
}
