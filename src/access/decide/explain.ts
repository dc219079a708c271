import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { readPermissions } from "../jwt/claims.js";
import { type JwtOptions, JwtVerifier } from "../jwt/jwt-verifier.js";
import type { Action } from "./actions.js";
import { type AccessRules, type Decision, decide } from "./decide.js";
import { NO_INFO } from "./info.js";
import type { Permissions } from "./permissions.js";
import type { Principal } from "./principal.js";

/** What of a vhost decides who may do what. */
export interface ExplainedVhost {
  readonly rulesFor: (topic: string) => AccessRules;
  /** What clients without a token get; undefined where they do not get in. */
  readonly anonymous: Permissions | undefined;
  /** What every client may do. */
  readonly granted: Permissions;
  readonly jwt: JwtOptions | undefined;
}

/** Who wants to do it. */
export type ExplainedClient =
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "anonymous" }
  | { readonly kind: "permissions"; readonly permissions: unknown };

/**
 * Says as a node would whether somebody may do something, and why. Nothing is connected to but a JWKS URL. What tokens of
 * other dialects add, and the kinds of channels opened at run time, it does not know.
 *
 * @throws CarillonError invalid_argument: permissions that cannot be read, a token when there is no issuer
 * @throws CarillonError unavailable: the issuer's keys cannot be fetched
 */
export async function explain(
  vhost: ExplainedVhost,
  asker: ExplainedClient,
  question: { readonly action: Action; readonly topic: string },
  clock: Clock,
): Promise<Decision> {
  const found = await principalOf(vhost, asker, clock);
  return "reason" in found ? found : decide({ ...question, principal: found, rules: vhost.rulesFor(question.topic) });
}

/** A principal, or the refusal of one who does not even get in. */
async function principalOf(vhost: ExplainedVhost, asker: ExplainedClient, clock: Clock): Promise<Principal | Decision> {
  if (asker.kind === "anonymous") {
    if (vhost.anonymous === undefined) return { allowed: false, reason: "clients without a token do not get in" };
    return principal(vhost.anonymous);
  }
  if (asker.kind === "permissions") {
    return principal(readPermissions(asker.permissions, "permissions").merged(vhost.granted));
  }
  if (vhost.jwt === undefined) {
    throw new CarillonError("invalid_argument", "the vhost has no issuer (jwt) whose tokens could be checked here");
  }
  const verifier = new JwtVerifier(vhost.jwt, clock);
  try {
    const { principal: verified } = await verifier.verify(asker.token);
    return { ...verified, permissions: verified.permissions.merged(vhost.granted) };
  } catch (error) {
    const { code, message } = CarillonError.from(error);
    if (code !== "unauthenticated") throw error;
    return { allowed: false, reason: message };
  } finally {
    verifier.stop();
  }
}

function principal(permissions: Permissions): Principal {
  return { user: undefined, permissions, expires: undefined, info: NO_INFO };
}
