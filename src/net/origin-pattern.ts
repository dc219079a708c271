import { isIPv4 } from "node:net";
import { domainToASCII } from "node:url";
import { omitDefaultPort, parseOrigin, type WebOrigin } from "./web-origin.js";

/** Returns true when a pattern allows the origin. */
export type OriginMatcher = (origin: WebOrigin) => boolean;

const PATTERN = /^(?<scheme>[a-z][a-z0-9+.-]*):\/\/(?<host>\[[^\]]*\]|[^:/?#@\\\s]*)(?::(?<port>\d{1,5}|\*))?\/?$/;
const IPV4_BEGINNING = /^(?:\d{1,3}\.){1,3}$/;
const EXPECTED = "expected *, null, or an origin such as https://app.example.com";

/**
 * Compiles `scheme://host[:port]` with at most one `*`. As the port, `*` matches any port or none; in the host, it matches
 * any characters. `scheme://*` matches every host and port. Matching ignores case, and converts internationalized names to
 * ASCII as browsers do.
 * @returns the matcher, or a text that says why the pattern is invalid
 */
export function compileOriginPattern(pattern: string): OriginMatcher | string {
  const { host, port = "", scheme = "" } = PATTERN.exec(pattern.toLowerCase())?.groups ?? {};
  if (host === undefined) return EXPECTED;
  if (pattern.split("*").length > 2) return "expected at most one * in an origin";
  if (port === "*") return matchAnyPort(scheme, host);
  const ascii = host.startsWith("[") ? host : domainToASCII(host);
  if (ascii.includes("*")) return matchStarInHost(omitDefaultPort({ scheme, host: ascii, port }));
  const exact = parseOrigin(`${scheme}://${ascii}${port === "" ? "" : `:${port}`}`);
  if (exact === undefined) return EXPECTED;
  return (origin) => hasSameHost(origin, exact) && origin.port === exact.port;
}

function matchAnyPort(scheme: string, host: string): OriginMatcher | string {
  const exact = parseOrigin(`${scheme}://${host.startsWith("[") ? host : domainToASCII(host)}`);
  return exact === undefined ? EXPECTED : (origin) => hasSameHost(origin, exact);
}

function hasSameHost(one: WebOrigin, other: WebOrigin): boolean {
  return one.scheme === other.scheme && one.host === other.host;
}

/** Compiles a `*` in the host. At the end of a name it is rejected, because it would match foreign domains. */
function matchStarInHost({ host, port, scheme }: WebOrigin): OriginMatcher | string {
  const [before = "", after = ""] = host.split("*");
  const address = IPV4_BEGINNING.test(before);
  if (after === "" && before !== "" && !address) {
    return `a * at the end of a host would allow foreign domains, such as ${before}.example; write :* for any port`;
  }
  // A pattern with an empty label matches no origin.
  if (after.includes("..") || before.startsWith(".") || before.includes("..")) return EXPECTED;
  return (origin) =>
    origin.scheme === scheme &&
    (origin.port === port || (host === "*" && port === "")) &&
    origin.host.length >= before.length + after.length &&
    origin.host.startsWith(before) &&
    origin.host.endsWith(after) &&
    (after !== "" || !address || isIPv4(origin.host));
}
