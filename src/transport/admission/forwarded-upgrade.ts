import type { IncomingMessage } from "node:http";
import type { ForwardedUpgrade, HookForward } from "../../access/hooks/hook-caller.js";
import { type CredentialPlaces, removeToken, TOKEN_PARAMETER } from "./credential.js";

export interface ForwardedUpgradeOptions {
  readonly request: IncomingMessage;
  readonly url: URL;
  /** The path without its token; undefined when it has none. */
  readonly shownPath?: string | undefined;
  readonly places: CredentialPlaces;
  readonly forward: readonly HookForward[];
}

/**
 * Creates the upgrade request that is forwarded to the vhost's backend. The token is left out unless the settings
 * forward it, because backends log requests. A token in the query is left out even when the vhost takes none there,
 * because it may be valid; a token in the path is never forwarded.
 */
export function createForwardedUpgrade({
  forward,
  places,
  request,
  shownPath,
  url,
}: ForwardedUpgradeOptions): ForwardedUpgrade {
  const { headers, method = "GET", url: target = "" } = request;
  const { pathname } = url;
  // A copy, because a change of the URL's own parameters would write the whole URL again.
  const query = new URLSearchParams(url.searchParams);
  const withheld = query.has(TOKEN_PARAMETER) && !forward.includes("query");
  if (withheld) query.delete(TOKEN_PARAMETER);
  const asSent = !withheld && shownPath === undefined;
  return {
    method,
    // Only hooks read it.
    get uri() {
      const search = query.size === 0 ? "" : `?${query.toString()}`;
      return asSent ? target : `${shownPath ?? pathname}${search}`;
    },
    headers: forward.includes("authorization") ? headers : removeToken(headers, places),
    query,
    forwarded: forward,
  };
}
