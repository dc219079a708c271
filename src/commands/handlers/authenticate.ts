import { applyOverrides, applyRenewal } from "../../access/authenticators/backend-overrides.js";
import type { Principal } from "../../access/decide/principal.js";
import type { HookChanges } from "../../access/hooks/hook-answer.js";
import type { Client } from "../../clients/client.js";
import { CarillonError } from "../../errors.js";
import { prepareRights } from "../checks.js";
import type { AuthenticateCommand, Reply } from "../command.js";
import type { CommandContext } from "../command-context.js";
import { exitForbidden } from "../exit.js";
import { applyChanges } from "../hooks.js";

/**
 * Applies a fresh token to a live connection. The token extends the session, gives an anonymous session a user, and replaces
 * the permissions. The client leaves topics that the new permissions do not allow, and is notified of them.
 */
export async function authenticate(
  command: AuthenticateCommand,
  client: Client,
  context: CommandContext,
  reply: Reply,
): Promise<void> {
  if (command.token === "") throw new CarillonError("invalid_argument", "payload: a token is required");
  const authenticated = await client.vhost.authenticatorFor(client.origin.dialect).authenticate(command.token);
  const { release } = authenticated;
  const before = client.principal;
  let principal: Principal;
  let changes: HookChanges | undefined;
  try {
    principal = command.switchUser === true ? authenticated.principal : applyRenewal(authenticated.principal, before);
    changes = await client.runConnectHook(principal, authenticated.principal.user);
    if (changes !== undefined) principal = applyOverrides(changes, principal);
    await topicsAhead(client, principal);
    await context.review.prepare(
      client,
      [...client.session.memberships.keys()].map(({ name }) => name),
    );
    if (!client.session.open) throw new CarillonError("cancelled", "the session has ended");
    client.takeToken({ principal, release });
  } catch (error) {
    release?.();
    throw error;
  }
  if (command.switchUser === true) leaveAll(client, context);
  // Pending changes of the vhost are decided by the old rights.
  context.review.settle(client, client.session.memberships.keys());
  context.clients.change(client, principal);
  if (principal.user !== before.user) await context.userTopics.confirmed(client);
  reply({ ok: true, result: { kind: "identified", user: principal.user } });
  exitForbidden(client, { principal: before, access: client.vhost }, context);
  if (changes !== undefined) await applyChanges(client, { ...changes, expires: undefined, info: undefined }, context);
}

/** Prepares the decisions about the topics that the client may stay in. */
function topicsAhead(client: Client, principal: Principal): Promise<void> | undefined {
  const names = [...client.session.memberships.keys()].map(({ name }) => name);
  return prepareRights(client, ["join", "presence"], names, [client.principal, principal]);
}

/** Leaves the topics of the previous user. */
function leaveAll({ session }: Client, { hub }: CommandContext): void {
  for (const topic of session.memberships.keys()) hub.leave(session, topic);
}
