import { isIPv4 } from "node:net";
import { domainToASCII } from "node:url";
import { parseOrigin, type WebOrigin, withoutDefaultPort } from "./web-origin.js";

/** Tells whether an origin is one that a pattern allows. */
export type OriginMatcher = (origin: WebOrigin) => boolean;

const PATTERN = /^(?<scheme>[a-z][a-z0-9+.-]*):\/\/(?<host>\[[^\]]*\]|[^:/?#@\\\s]*)(?::(?<port>\d{1,5}|\*))?\/?$/;
const IPV4_BEGINNING = /^(?:\d{1,3}\.){1,3}$/;
const EXPECTED = "expected *, null, or an origin such as https://app.example.com";

/**
 * Compiles `scheme://host[:port]`, with at most one `*`: as the port, for any or none; in the host, for any characters of it;
 * `scheme://*` is every host and port.
 * Compared without case; names beyond ASCII are taken as browsers write them.
 * @returns why it is no such pattern, as text
 */
export function compileOriginPattern(pattern: string): OriginMatcher | string {
  const { host, port = "", scheme = "" } = PATTERN.exec(pattern.toLowerCase())?.groups ?? {};
  if (host === undefined) return EXPECTED;
  if (pattern.split("*").length > 2) return "expected at most one * in an origin";
  if (port === "*") return anyPort(scheme, host);
  const ascii = host.startsWith("[") ? host : domainToASCII(host);
  if (ascii.includes("*")) return starInHost(withoutDefaultPort({ scheme, host: ascii, port }));
  const exact = parseOrigin(`${scheme}://${ascii}${port === "" ? "" : `:${port}`}`);
  if (exact === undefined) return EXPECTED;
  return (origin) => sameHost(origin, exact) && origin.port === exact.port;
}

function anyPort(scheme: string, host: string): OriginMatcher | string {
  const exact = parseOrigin(`${scheme}://${host.startsWith("[") ? host : domainToASCII(host)}`);
  return exact === undefined ? EXPECTED : (origin) => sameHost(origin, exact);
}

function sameHost(one: WebOrigin, other: WebOrigin): boolean {
  return one.scheme === other.scheme && one.host === other.host;
}

/** At the end of a name, a star would stand for domains of anybody. */
function starInHost({ host, port, scheme }: WebOrigin): OriginMatcher | string {
  const [before = "", after = ""] = host.split("*");
  const address = IPV4_BEGINNING.test(before);
  if (after === "" && before !== "" && !address) {
    return `a * at the end of a host allows everybody's domains, such as ${before}.example; write :* for any port`;
  }
  // An empty label: no origin could match.
  if (after.includes("..") || before.startsWith(".") || before.includes("..")) return EXPECTED;
  return (origin) =>
    origin.scheme === scheme &&
    (origin.port === port || (host === "*" && port === "")) &&
    origin.host.length >= before.length + after.length &&
    origin.host.startsWith(before) &&
    origin.host.endsWith(after) &&
    (after !== "" || !address || isIPv4(origin.host));
}
