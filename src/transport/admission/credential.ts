import type { IncomingHttpHeaders } from "node:http";
import { CarillonError } from "../../errors.js";

/** Where an upgrade of a vhost may carry a token. */
export interface CredentialPlaces {
  /** `Authorization: Bearer TOKEN`. */
  readonly header: boolean;
  /** The subprotocol `bearer.TOKEN`: for a browser's WebSocket the only place that is not usually logged. */
  readonly protocol: boolean;
  /** Name of a cookie; empty for none. */
  readonly cookie: string;
  /** `?token=TOKEN`; proxies log URLs, and browsers keep them in their history. */
  readonly query: boolean;
}

/** Name of the query parameter that carries a token. */
export const TOKEN_PARAMETER = "token";
/**
 * Prefix of the subprotocol that carries a token. Every character of a token is allowed in a subprotocol. The client must
 * also offer another subprotocol, such as `carillon`, for the server to choose. Kubernetes'
 * base64url.bearer.authorization.k8s.io works the same way.
 */
const TOKEN_PROTOCOL = "bearer.";
const OWN_PROTOCOL = "carillon";
const BEARER = /^bearer /i;

/**
 * Returns the token that an upgrade carries; undefined for none. The same token in two places counts as one.
 * @throws CarillonError invalid_argument: different tokens, or a token subprotocol without any other subprotocol
 */
export function readCredential(
  headers: IncomingHttpHeaders,
  query: URLSearchParams,
  places: CredentialPlaces,
): string | undefined {
  const found = new Set<string>();
  if (places.header) addBearer(found, headers.authorization);
  if (places.protocol) addProtocol(found, readProtocols(headers));
  if (places.cookie !== "") addCookie(found, headers.cookie, places.cookie);
  if (places.query) for (const token of query.getAll(TOKEN_PARAMETER)) found.add(token);
  found.delete("");
  if (found.size > 1) throw new CarillonError("invalid_argument", "different tokens in one request");
  const [token] = found;
  return token;
}

/** Removes the token from headers that are forwarded to a backend, in the places that the vhost allows. */
export function removeToken(headers: IncomingHttpHeaders, places: CredentialPlaces): IncomingHttpHeaders {
  const kept = { ...headers };
  if (places.header && BEARER.test(headers.authorization ?? "")) kept.authorization = undefined;
  const protocols = readProtocols(headers);
  if (places.protocol && protocols.some(carriesToken)) {
    kept["sec-websocket-protocol"] = protocols.filter((protocol) => !carriesToken(protocol)).join(", ");
  }
  const cookies = headers.cookie?.split(";") ?? [];
  if (places.cookie !== "" && cookies.some((pair) => cookieName(pair) === places.cookie)) {
    kept.cookie = cookies
      .filter((pair) => cookieName(pair) !== places.cookie)
      .join(";")
      .trim();
  }
  return kept;
}

/** Chooses a subprotocol: `carillon`, or else the first offered, but never a token, because the choice is sent back. */
export function chooseProtocol(offered: ReadonlySet<string>): string | false {
  if (offered.has(OWN_PROTOCOL)) return OWN_PROTOCOL;
  for (const protocol of offered) if (!carriesToken(protocol)) return protocol;
  return false;
}

function addBearer(found: Set<string>, authorization: string | undefined): void {
  // Credentials of other schemes are not meant for Carillon. For example, a proxy may require a password.
  if (authorization !== undefined && BEARER.test(authorization)) found.add(authorization.slice(7).trim());
}

function addProtocol(found: Set<string>, offered: readonly string[]): void {
  const tokens = offered.filter(carriesToken);
  if (tokens.length > 0 && tokens.length === offered.length) {
    // Browsers fail the connection, without a reason, when the server chooses none of their subprotocols.
    throw new CarillonError(
      "invalid_argument",
      "a token subprotocol requires another subprotocol beside it, such as carillon",
    );
  }
  for (const token of tokens) found.add(token.slice(TOKEN_PROTOCOL.length));
}

function addCookie(found: Set<string>, cookies: string | undefined, name: string): void {
  for (const pair of cookies?.split(";") ?? []) {
    if (cookieName(pair) !== name) continue;
    found.add(
      pair
        .slice(pair.indexOf("=") + 1)
        .trim()
        .replace(/^"(.*)"$/, "$1"),
    );
  }
}

/** Returns the name of a cookie pair; undefined when it has no "=". */
function cookieName(pair: string): string | undefined {
  const equals = pair.indexOf("=");
  return equals === -1 ? undefined : pair.slice(0, equals).trim();
}

function readProtocols(headers: IncomingHttpHeaders): string[] {
  return headers["sec-websocket-protocol"]?.split(",").map((protocol) => protocol.trim()) ?? [];
}

function carriesToken(protocol: string): boolean {
  return protocol.toLowerCase().startsWith(TOKEN_PROTOCOL);
}
