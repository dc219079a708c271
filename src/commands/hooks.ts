import { applyOverrides } from "../access/authenticators/backend-overrides.js";
import type { HookChanges } from "../access/hooks/hook-answer.js";
import type { HookEvent, HookSubject } from "../access/hooks/hook-caller.js";
import type { Hooks } from "../access/hooks/hooks.js";
import type { Client } from "../clients/client.js";
import type { CommandContext } from "./command-context.js";
import { joinOnBehalf } from "./on-behalf.js";

/**
 * Calls the backend's hook for an event, where the vhost has one.
 * @returns the changes to the client; undefined for none
 * @throws CarillonError the backend's refusal, or unavailable
 */
export async function callHook(
  client: Client,
  event: HookEvent,
  request: (hooks: Hooks, subject: HookSubject) => Promise<HookChanges>,
): Promise<HookChanges | undefined> {
  const { hooks } = client.vhost;
  return hooks?.isEnabled(event) === true ? request(hooks, toHookSubject(client)) : undefined;
}

/** Describes a client to its backend. */
export function toHookSubject({ origin, principal, session, vhost }: Client): HookSubject {
  return {
    vhost: vhost.name,
    connectionId: session.id,
    user: principal.user,
    info: principal.info,
    dialect: origin.dialect,
    address: origin.address,
  };
}

/** Applies the changes of a hook's answer. The client is notified of joined topics; a failure to join them is logged. */
export async function applyChanges(client: Client, changes: HookChanges, context: CommandContext) {
  const { expires, info, topics } = changes;
  if (expires !== undefined || info !== undefined) {
    context.clients.change(client, applyOverrides(changes, client.principal));
  }
  if (topics.length === 0) return;
  try {
    await joinOnBehalf(client, "", topics, context);
  } catch (error) {
    context.onFailedJoin(client.session.id, error);
  }
}
