import type { IncomingMessage } from "node:http";
import type { ForwardedUpgrade, HookForward } from "../../access/hooks/hook-caller.js";
import { type CredentialPlaces, TOKEN_PARAMETER, withoutToken } from "./credential.js";

export interface UpgradeToForward {
  readonly request: IncomingMessage;
  readonly url: URL;
  /** The path without a token that is in it; undefined where it has none. */
  readonly shownPath?: string | undefined;
  readonly places: CredentialPlaces;
  readonly forward: readonly HookForward[];
}

/**
 * The upgrade request as the vhost's backend is told of it. The token is withheld unless the settings forward it: what the
 * backend is told ends up in its log. One in the query is withheld even where none is taken from there, as it may be good all the same;
 * one in the path is never told.
 */
export function forwardUpgrade({ forward, places, request, shownPath, url }: UpgradeToForward): ForwardedUpgrade {
  const { headers, method = "GET", url: target = "" } = request;
  const { searchParams: query } = url;
  const withheld = query.has(TOKEN_PARAMETER) && !forward.includes("query");
  if (withheld) query.delete(TOKEN_PARAMETER);
  const asSent = !withheld && shownPath === undefined;
  return {
    method,
    uri: asSent ? target : `${shownPath ?? url.pathname}${url.search}`,
    headers: forward.includes("authorization") ? headers : withoutToken(headers, places),
    query,
    forwarded: forward,
  };
}
