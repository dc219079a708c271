import { isIPv4 } from "node:net";
import { domainToASCII } from "node:url";
import { omitDefaultPort, parseOrigin, type WebOrigin } from "./web-origin.js";

/** Returns true when a pattern with `*` in its host allows the origin. */
type OriginMatcher = (origin: WebOrigin) => boolean;

/** Port of a pattern that allows every port. */
const ANY_PORT = "*";

/** The only origin that a pattern allows, with any port where that is {@link ANY_PORT}; or a matcher for a `*` in the host. */
export type OriginPattern = WebOrigin | OriginMatcher;

/** Set of patterns. Only those with a `*` in the host are tried one by one. */
export class OriginPatterns {
  /** Origins by {@link toKey}. */
  readonly #origins = new Set<string>();
  readonly #matchers: readonly OriginMatcher[];

  constructor(patterns: readonly OriginPattern[]) {
    for (const pattern of patterns) if (typeof pattern === "object") this.#origins.add(toKey(pattern));
    this.#matchers = patterns.filter((pattern) => typeof pattern === "function");
  }

  allows(origin: WebOrigin): boolean {
    if (this.#origins.has(toKey(origin)) || this.#origins.has(toKey(origin, ANY_PORT))) return true;
    return this.#matchers.some((matches) => matches(origin));
  }
}

function toKey({ host, port: own, scheme }: WebOrigin, port = own): string {
  return `${scheme}://${host}:${port}`;
}

const PATTERN = /^(?<scheme>[a-z][a-z0-9+.-]*):\/\/(?<host>\[[^\]]*\]|[^:/?#@\\\s]*)(?::(?<port>\d{1,5}|\*))?\/?$/;
const IPV4_BEGINNING = /^(?:\d{1,3}\.){1,3}$/;
const EXPECTED = "expected *, null, or an origin such as https://app.example.com";

/**
 * Compiles `scheme://host[:port]` with at most one `*`. As the port, `*` matches any port or none; in the host, it matches
 * any characters. `scheme://*` matches every host and port. Matching ignores case, and converts internationalized names to
 * ASCII as browsers do.
 * @returns a text that says why the pattern is invalid, if it is
 */
export function compileOriginPattern(pattern: string): OriginPattern | string {
  const { host, port = "", scheme = "" } = PATTERN.exec(pattern.toLowerCase())?.groups ?? {};
  if (host === undefined) return EXPECTED;
  if (pattern.split("*").length > 2) return "expected at most one * in an origin";
  if (port === ANY_PORT) return withAnyPort(scheme, host);
  const ascii = host.startsWith("[") ? host : domainToASCII(host);
  if (ascii.includes("*")) return matchStarInHost(omitDefaultPort({ scheme, host: ascii, port }));
  return parseOrigin(`${scheme}://${ascii}${port === "" ? "" : `:${port}`}`) ?? EXPECTED;
}

function withAnyPort(scheme: string, host: string): WebOrigin | string {
  const exact = parseOrigin(`${scheme}://${host.startsWith("[") ? host : domainToASCII(host)}`);
  return exact === undefined ? EXPECTED : { scheme, host: exact.host, port: ANY_PORT };
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
