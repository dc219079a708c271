import { CarillonError } from "../../errors.js";
import type { Principal } from "../decide/principal.js";
import type { HookChanges } from "../hooks/hook-answer.js";

/** The principal as the backend wants it: what it says goes before what the token says. */
export function applyOverrides({ expires, info, user }: Omit<HookChanges, "topics">, principal: Principal): Principal {
  const { given } = principal;
  return {
    ...principal,
    user: user ?? principal.user,
    expires: expires ?? principal.expires,
    info: info ?? principal.info,
    given:
      user === undefined && info === undefined
        ? given
        : { subject: subjectOf(principal), user: user ?? given?.user, info: info ?? given?.info },
  };
}

/**
 * The principal of a fresh token in the place of the one before. What the backend has said of user and info still holds;
 * permissions and time are the token's.
 * @throws CarillonError failed_precondition: the token is another user's
 */
export function applyRenewal(fresh: Principal, before: Principal): Principal {
  if (!isSame(fresh, before)) {
    throw new CarillonError("failed_precondition", "the connection is another user's: open a new one");
  }
  const { given } = before;
  if (given === undefined) return fresh;
  return {
    ...fresh,
    user: given.user ?? fresh.user,
    info: given.info ?? fresh.info,
    given: { ...given, subject: fresh.user },
  };
}

/** Users are compared as tokens name them: a backend may call them otherwise. Where no token has named one, its word counts. */
function isSame({ user }: Principal, before: Principal): boolean {
  const subject = subjectOf(before);
  if (user === subject) return true;
  return subject === undefined && (before.user === undefined || user === before.user);
}

function subjectOf({ given, user }: Principal): string | undefined {
  return given === undefined ? user : given.subject;
}
