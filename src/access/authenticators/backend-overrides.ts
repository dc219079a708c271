import { CarillonError } from "../../errors.js";
import type { Principal } from "../decide/principal.js";
import type { HookChanges } from "../hooks/hook-answer.js";

/** Applies a backend's changes to a principal. They take precedence over the token. */
export function applyOverrides({ expires, info, user }: Omit<HookChanges, "topics">, principal: Principal): Principal {
  const { overrides: given } = principal;
  return {
    ...principal,
    user: user ?? principal.user,
    expires: expires ?? principal.expires,
    info: info ?? principal.info,
    overrides:
      user === undefined && info === undefined
        ? given
        : { subject: subjectOf(principal), user: user ?? given?.user, info: info ?? given?.info },
  };
}

/**
 * Combines the principal of a fresh token with the previous one. The user and info that the backend chose stay; permissions
 * and expiry come from the token.
 * @throws CarillonError failed_precondition: the token belongs to another user
 */
export function applyRenewal(fresh: Principal, before: Principal): Principal {
  if (!isSame(fresh, before)) {
    throw new CarillonError("failed_precondition", "the connection belongs to another user: open a new one");
  }
  const { overrides: given } = before;
  if (given === undefined) return fresh;
  return {
    ...fresh,
    user: given.user ?? fresh.user,
    info: given.info ?? fresh.info,
    overrides: { ...given, subject: fresh.user },
  };
}

/**
 * Compares the users that the two tokens name, because the backend may have renamed the user. If the previous token names no
 * user, compares with the user that the backend chose; any user may replace an anonymous one.
 */
function isSame({ user }: Principal, before: Principal): boolean {
  const subject = subjectOf(before);
  if (user === subject) return true;
  return subject === undefined && (before.user === undefined || user === before.user);
}

function subjectOf({ overrides: given, user }: Principal): string | undefined {
  return given === undefined ? user : given.subject;
}
