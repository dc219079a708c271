import { applyOverrides } from "../access/authenticators/backend-overrides.js";
import type { HookChanges } from "../access/hooks/hook-answer.js";
import type { HookEvent, HookSubject } from "../access/hooks/hook-caller.js";
import type { Hooks } from "../access/hooks/hooks.js";
import type { Client } from "../clients/client.js";
import type { CommandContext } from "./command-context.js";
import { joinOnBehalf } from "./on-behalf.js";

/**
 * Asks the backend about what a client wants to do, where it wants to be asked.
 * @returns what it changes of the client; undefined for nothing
 * @throws CarillonError the backend's refusal, or that it could not be asked
 */
export async function callHook(
  client: Client,
  event: HookEvent,
  ask: (hooks: Hooks, who: HookSubject) => Promise<HookChanges>,
): Promise<HookChanges | undefined> {
  const { hooks } = client.vhost;
  return hooks?.asks(event) === true ? ask(hooks, toHookSubject(client)) : undefined;
}

/** The client as its backend is told of it. */
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

/**
 * What the backend changes of a client that it has allowed something: the client is told of the topics, and where they
 * cannot be joined, that is logged and nothing else.
 */
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
