import { CarillonError } from "../../errors.js";
import type { Principal } from "../decide/principal.js";
import type { HookChanges } from "../hooks/hook-answer.js";

/** Applies a backend's changes to a principal. They take precedence over the token. */
export function applyOverrides({ expires, info, user }: Omit<HookChanges, "topics">, principal: Principal): Principal {
  const { overrides } = principal;
  return {
    ...principal,
    user: user ?? principal.user,
    expires: expires ?? principal.expires,
    info: info ?? principal.info,
    overrides:
      user === undefined && info === undefined
        ? overrides
        : { subject: subjectOf(principal), user: user ?? overrides?.user, info: info ?? overrides?.info },
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
  const { overrides } = before;
  if (overrides === undefined) return fresh;
  return {
    ...fresh,
    user: overrides.user ?? fresh.user,
    info: overrides.info ?? fresh.info,
    overrides: { ...overrides, subject: fresh.user },
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

function subjectOf({ overrides, user }: Principal): string | undefined {
  return overrides === undefined ? user : overrides.subject;
}
