import type { Client } from "../clients/client.js";
import type { Services } from "./services.js";

/**
 * The topic, where the client is in it.
 * @param broker - "" for the vhost's default
 * @throws CarillonError not_found: no such broker
 */
export function membershipIn({ session }: Client, broker: string, topic: string, { brokers, index }: Services) {
  const known = index.find(session.vhost, brokers.resolve(session.vhost, broker).name, topic);
  return known !== undefined && session.memberships.has(known) ? known : undefined;
}
