import { decide } from "../access/decide/decide.js";
import type { Principal } from "../access/decide/principal.js";
import type { Client } from "../clients/client.js";
import type { Topic } from "../core/topic.js";
import type { TopicAccess } from "../vhosts/vhost.js";
import type { CommandContext } from "./command-context.js";

/** A principal and the access settings of its vhost, before or after a change. */
interface Standing {
  readonly principal: Principal;
  readonly access: TopicAccess;
}

/**
 * Removes a client from the topics that a change no longer allows, and notifies it of them. The client stays in topics that
 * it may be in for another reason, such as a channel token.
 */
export function exitForbidden(
  client: Client,
  before: Standing,
  { attendance, hub }: Pick<CommandContext, "attendance" | "hub">,
): void {
  const now: Standing = { principal: client.principal, access: client.vhost };
  const lost = [...client.session.memberships.keys()].filter((topic) => mayBeIn(topic, before) && !mayBeIn(topic, now));
  for (const topic of lost) hub.leave(client.session, topic);
  if (lost.length > 0) client.connection.notify({ kind: "left", topics: lost.map(({ name }) => name) });
  attendance.review(client);
}

/** Whether a principal may be in a topic. */
export function mayBeIn({ name }: Topic, { access, principal }: Standing): boolean {
  if (!access.exists(name)) return false;
  return decide({ action: "join", topic: name, principal, rules: access.rulesFor(name) }).allowed;
}

/**
 * Removes a client from topics.
 * @returns those of the topics that it was in
 * @throws CarillonError not_found: unknown broker
 */
export function exit(client: Client, broker: string, topics: Iterable<string>, context: CommandContext): string[] {
  const { brokers, hub, index } = context;
  const { session } = client;
  const { name } = brokers.resolve(session.vhost, broker);
  const left: string[] = [];
  for (const topicName of topics) {
    const topic = index.find(session.vhost, name, topicName);
    if (topic === undefined || !session.memberships.has(topic)) continue;
    hub.leave(session, topic);
    left.push(topicName);
  }
  return left;
}
