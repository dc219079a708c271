import type { Client } from "../clients/client.js";
import type { Clients } from "../clients/clients.js";
import { fromSessionUuid } from "../core/session-uuid.js";
import { invalidArgument } from "../errors.js";
import { checkPresent } from "./checks.js";

/** One connection, or all connections of a user. */
export type Target = { readonly connectionId: string } | { readonly user: string };

/**
 * Checks a target.
 * @returns the target, with a UUID (X1) replaced by the connection's own id
 * @throws CarillonError invalid_argument
 */
export function checkTarget(target: Target | undefined): Target {
  if (target === undefined) throw invalidArgument("target: expected connection_id or user");
  if ("user" in target) {
    checkPresent("target.user", target.user);
    return target;
  }
  checkPresent("target.connection_id", target.connectionId);
  return { connectionId: fromSessionUuid(target.connectionId) };
}

/** Returns the target's open clients on this node. */
export function findClients(clients: Clients, vhost: string, target: Target): Client[] {
  if ("user" in target) return [...clients.ofUser(vhost, target.user)].filter(isOpen);
  const client = clients.get(target.connectionId);
  return client !== undefined && client.vhost.name === vhost && isOpen(client) ? [client] : [];
}

export function isOpen({ session }: Client): boolean {
  return session.open;
}
