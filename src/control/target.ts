import type { Client } from "../clients/client.js";
import type { Clients } from "../clients/clients.js";
import { fromSessionUuid } from "../core/session-uuid.js";
import { invalidArgument } from "../errors.js";
import { checkGiven } from "./checks.js";

/** Which connections: one, or all of a user. */
export type Target = { readonly connectionId: string } | { readonly user: string };

/**
 * @returns the target with the connection's own id where it was given as a UUID (X1)
 * @throws CarillonError invalid_argument
 */
export function checkTarget(target: Target | undefined): Target {
  if (target === undefined) throw invalidArgument("target: connection_id or user is needed");
  if ("user" in target) {
    checkGiven("target.user", target.user);
    return target;
  }
  checkGiven("target.connection_id", target.connectionId);
  return { connectionId: fromSessionUuid(target.connectionId) };
}

/** Those of this node. What is being closed is not meant. */
export function clientsOf(clients: Clients, vhost: string, target: Target): Client[] {
  if ("user" in target) return [...clients.ofUser(vhost, target.user)].filter(isOpen);
  const client = clients.get(target.connectionId);
  return client !== undefined && client.vhost.name === vhost && isOpen(client) ? [client] : [];
}

export function isOpen({ session }: Client): boolean {
  return session.open;
}
