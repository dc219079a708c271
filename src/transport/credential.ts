import type { IncomingHttpHeaders } from "node:http";
import { CarillonError } from "../errors.js";

/** Where an upgrade of a vhost may carry a token. */
export interface CredentialPlaces {
  /** `Authorization: Bearer TOKEN`. */
  readonly header: boolean;
  /** The subprotocol `bearer.TOKEN`: the one way of a browser's WebSocket that ends up in no log. */
  readonly protocol: boolean;
  /** The name of a cookie; empty for none. */
  readonly cookie: string;
  /** `?token=TOKEN`; URLs are written to logs of proxies and to histories of browsers. */
  readonly query: boolean;
}

/** What carries a token in the query. */
export const TOKEN_PARAMETER = "token";
/**
 * What carries a token in the offered subprotocols; tokens hold no character that these cannot. A second one must be
 * offered, `carillon`, for the server to choose, as with Kubernetes' base64url.bearer.authorization.k8s.io.
 */
const TOKEN_PROTOCOL = "bearer.";
const OWN_PROTOCOL = "carillon";

/**
 * The token that an upgrade carries; undefined for none. The same one in two places is one.
 * @throws CarillonError invalid_argument: different tokens, or one as a subprotocol that nothing else is offered with
 */
export function credentialOf(
  headers: IncomingHttpHeaders,
  query: URLSearchParams,
  places: CredentialPlaces,
): string | undefined {
  const found = new Set<string>();
  if (places.header) addBearer(found, headers.authorization);
  if (places.protocol) addProtocol(found, protocolsOf(headers));
  if (places.cookie !== "") addCookie(found, headers.cookie, places.cookie);
  if (places.query) for (const token of query.getAll(TOKEN_PARAMETER)) found.add(token);
  found.delete("");
  if (found.size > 1) throw new CarillonError("invalid_argument", "different tokens in one request");
  const [token] = found;
  return token;
}

/**
 * Which of the offered subprotocols to choose: `carillon`, or the first one, but never a token. What is chosen is sent
 * back.
 */
export function chooseProtocol(offered: ReadonlySet<string>): string | false {
  if (offered.has(OWN_PROTOCOL)) return OWN_PROTOCOL;
  for (const protocol of offered) if (!carriesToken(protocol)) return protocol;
  return false;
}

function addBearer(found: Set<string>, authorization: string | undefined): void {
  // Another scheme is somebody else's, such as a proxy's that asks for a password.
  if (authorization !== undefined && /^bearer /i.test(authorization)) found.add(authorization.slice(7).trim());
}

function addProtocol(found: Set<string>, offered: readonly string[]): void {
  const tokens = offered.filter(carriesToken);
  if (tokens.length > 0 && tokens.length === offered.length) {
    // Browsers give up on a server that chooses none of what they offer, and do not say why.
    throw new CarillonError("invalid_argument", "a token as a subprotocol must be offered along with carillon");
  }
  for (const token of tokens) found.add(token.slice(TOKEN_PROTOCOL.length));
}

function addCookie(found: Set<string>, cookies: string | undefined, name: string): void {
  for (const pair of cookies?.split(";") ?? []) {
    const equals = pair.indexOf("=");
    if (equals === -1 || pair.slice(0, equals).trim() !== name) continue;
    found.add(
      pair
        .slice(equals + 1)
        .trim()
        .replace(/^"(.*)"$/, "$1"),
    );
  }
}

function protocolsOf(headers: IncomingHttpHeaders): string[] {
  return headers["sec-websocket-protocol"]?.split(",").map((protocol) => protocol.trim()) ?? [];
}

function carriesToken(protocol: string): boolean {
  return protocol.toLowerCase().startsWith(TOKEN_PROTOCOL);
}
