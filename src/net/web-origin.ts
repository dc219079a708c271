import { ipAddress } from "./ip-address.js";

/** A host and a port, as `Host` and the end of an origin hold them. */
export interface Authority {
  /** In lower case; an IPv6 address as {@link ipAddress} writes it, in brackets. */
  readonly host: string;
  /** Digits without leading zeros; "" where none is given. */
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
/** Labels of a name, or an IPv4 address; a dot at the end says that the name is complete. */
const NAME = /^[\w~!$&'()*+,;=-]+(?:\.[\w~!$&'()*+,;=-]+)*\.?$/;
const HIGHEST_PORT = 65_535;

/**
 * Reads HOST or HOST:PORT.
 * @returns undefined for anything else: with user names, paths, empty labels, zones of IPv6 addresses
 */
export function parseAuthority(text: string): Authority | undefined {
  const { host = "", port } = AUTHORITY.exec(text.toLowerCase())?.groups ?? {};
  if (port !== undefined && Number(port) > HIGHEST_PORT) return undefined;
  const canonical = host.startsWith("[") ? bracketed(host.slice(1, -1)) : host;
  if (canonical === undefined || !(canonical.startsWith("[") || NAME.test(canonical))) return undefined;
  return { host: canonical, port: port === undefined ? "" : String(Number(port)) };
}

/**
 * Reads an Origin header, also with the slash at its end that some clients send. The default port of a scheme is left out, as
 * browsers do.
 * @returns undefined for `null`, and for what is no origin
 */
export function parseOrigin(text: string): WebOrigin | undefined {
  const { authority = "", scheme = "" } = SCHEME.exec(text.toLowerCase())?.groups ?? {};
  if (scheme === "") return undefined;
  if (scheme === "file") return authority === "" || authority === "/" ? { scheme, host: "", port: "" } : undefined;
  const parsed = parseAuthority(authority.replace(/\/$/, ""));
  return parsed && withoutDefaultPort({ scheme, ...parsed });
}

/** The same origin as browsers write it. */
export function withoutDefaultPort(origin: WebOrigin): WebOrigin {
  return origin.port !== "" && DEFAULT_PORTS[origin.scheme] === origin.port ? { ...origin, port: "" } : origin;
}

/** IPv4 addresses within IPv6 ones stay what they are: to a browser they are other origins. */
function bracketed(address: string): string | undefined {
  const canonical = ipAddress(address);
  if (canonical === undefined) return undefined;
  return canonical.includes(":") ? `[${canonical}]` : `[${address}]`;
}
