import type { IncomingHttpHeaders } from "node:http";
import { CarillonError } from "../../errors.js";

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
const BEARER = /^bearer /i;

/**
 * The token that an upgrade carries; undefined for none. The same one in two places is one.
 * @throws CarillonError invalid_argument: different tokens, or one as a subprotocol that nothing else is offered with
 */
export function readCredential(
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

/** The headers without the token: somebody else is told of them. What is in no place of the vhost's is no token of ours. */
export function withoutToken(headers: IncomingHttpHeaders, places: CredentialPlaces): IncomingHttpHeaders {
  const kept = { ...headers };
  if (places.header && BEARER.test(headers.authorization ?? "")) kept.authorization = undefined;
  const protocols = protocolsOf(headers);
  if (places.protocol && protocols.some(carriesToken)) {
    kept["sec-websocket-protocol"] = protocols.filter((protocol) => !carriesToken(protocol)).join(", ");
  }
  const cookies = headers.cookie?.split(";") ?? [];
  if (places.cookie !== "" && cookies.some((pair) => nameOf(pair) === places.cookie)) {
    kept.cookie = cookies
      .filter((pair) => nameOf(pair) !== places.cookie)
      .join(";")
      .trim();
  }
  return kept;
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
  if (authorization !== undefined && BEARER.test(authorization)) found.add(authorization.slice(7).trim());
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
    if (nameOf(pair) !== name) continue;
    found.add(
      pair
        .slice(pair.indexOf("=") + 1)
        .trim()
        .replace(/^"(.*)"$/, "$1"),
    );
  }
}

/** Of a cookie; undefined for what is none. */
function nameOf(pair: string): string | undefined {
  const equals = pair.indexOf("=");
  return equals === -1 ? undefined : pair.slice(0, equals).trim();
}

function protocolsOf(headers: IncomingHttpHeaders): string[] {
  return headers["sec-websocket-protocol"]?.split(",").map((protocol) => protocol.trim()) ?? [];
}

function carriesToken(protocol: string): boolean {
  return protocol.toLowerCase().startsWith(TOKEN_PROTOCOL);
}
