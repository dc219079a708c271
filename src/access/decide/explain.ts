import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { readPermissions } from "../jwt/claims.js";
import { type JwtOptions, JwtVerifier } from "../jwt/jwt-verifier.js";
import type { Action } from "./actions.js";
import { type AccessRules, type Decision, decide } from "./decide.js";
import { NO_INFO } from "./info.js";
import type { Permissions } from "./permissions.js";
import type { Principal } from "./principal.js";

/** Settings of a vhost that affect access decisions. */
export interface ExplainedVhost {
  readonly rulesFor: (topic: string) => AccessRules;
  /** Permissions of clients without a token; undefined if the vhost requires a token. */
  readonly anonymous: Permissions | undefined;
  /** Permissions of every client. */
  readonly granted: Permissions;
  readonly jwt: JwtOptions | undefined;
}

/** Client whose access is explained. */
export type ExplainedClient =
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "anonymous" }
  | { readonly kind: "permissions"; readonly permissions: unknown };

/**
 * Makes the decision that a node would make, with the reason. The only network access is to a JWKS URL. Ignores dialects'
 * own token settings, and the kinds of channels opened at run time.
 *
 * @throws CarillonError invalid_argument: malformed permissions, or a token where the vhost has no issuer
 * @throws CarillonError unavailable: the issuer's keys cannot be fetched
 */
export async function explain(
  vhost: ExplainedVhost,
  client: ExplainedClient,
  request: { readonly action: Action; readonly topic: string },
  clock: Clock,
): Promise<Decision> {
  const resolved = await resolvePrincipal(vhost, client, clock);
  return "reason" in resolved
    ? resolved
    : decide({ ...request, principal: resolved, rules: vhost.rulesFor(request.topic) });
}

/** Returns the client's principal, or the refusal of a client that may not connect. */
async function resolvePrincipal(
  vhost: ExplainedVhost,
  client: ExplainedClient,
  clock: Clock,
): Promise<Principal | Decision> {
  if (client.kind === "anonymous") {
    if (vhost.anonymous === undefined) return { allowed: false, reason: "the vhost requires a token" };
    return createPrincipal(vhost.anonymous);
  }
  if (client.kind === "permissions") {
    return createPrincipal(readPermissions(client.permissions, "permissions").merged(vhost.granted));
  }
  if (vhost.jwt === undefined) {
    throw new CarillonError("invalid_argument", "the vhost has no issuer (jwt) to check the token with");
  }
  const verifier = new JwtVerifier(vhost.jwt, clock);
  try {
    const { principal: verified } = await verifier.verify(client.token);
    return { ...verified, permissions: verified.permissions.merged(vhost.granted) };
  } catch (error) {
    const { code, message } = CarillonError.from(error);
    if (code !== "unauthenticated") throw error;
    return { allowed: false, reason: message };
  } finally {
    verifier.stop();
  }
}

function createPrincipal(permissions: Permissions): Principal {
  return { user: undefined, permissions, expires: undefined, info: NO_INFO };
}
