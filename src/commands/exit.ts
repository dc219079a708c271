import { decide } from "../access/decide/decide.js";
import type { Principal } from "../access/decide/principal.js";
import type { Client } from "../clients/client.js";
import type { Topic } from "../core/topic.js";
import type { TopicAccess } from "../vhosts/vhost.js";
import type { Services } from "./services.js";

/** Who may be in which topics: as it was, or as it is. */
export interface Standing {
  readonly principal: Principal;
  readonly access: TopicAccess;
}

/**
 * Takes a client out of the topics that it could be in before, and may not be in any more, and tells it which. Those that
 * something else has opened to it, such as a channel token, it stays in.
 */
export function exitLost(
  client: Client,
  before: Standing,
  { attendance, hub }: Pick<Services, "attendance" | "hub">,
): void {
  const now: Standing = { principal: client.principal, access: client.vhost };
  const lost = [...client.session.memberships.keys()].filter((topic) => mayBeIn(topic, before) && !mayBeIn(topic, now));
  for (const topic of lost) hub.leave(client.session, topic);
  if (lost.length > 0) client.connection.notify({ kind: "left", topics: lost.map(({ name }) => name) });
  attendance.review(client);
}

function mayBeIn({ name }: Topic, { access, principal }: Standing): boolean {
  if (!access.exists(name)) return false;
  return decide({ action: "join", topic: name, principal, rules: access.rulesFor(name) }).allowed;
}

/** Takes those out of a topic who could be in it before, and may not any more. @param access - of this topic, before */
export function exitLostOf(
  topic: Topic,
  access: TopicAccess,
  services: Pick<Services, "attendance" | "clients" | "hub">,
): void {
  for (const session of topic.groups.flatMap(({ members }) => members)) {
    const client = services.clients.get(session.id);
    if (client === undefined || !mayBeIn(topic, { access, principal: client.principal })) continue;
    if (mayBeIn(topic, { access: client.vhost, principal: client.principal })) services.attendance.review(client);
    else exitOne(client, topic, services);
  }
}

function exitOne({ connection, session }: Client, topic: Topic, { hub }: Pick<Services, "hub">): void {
  hub.leave(session, topic);
  connection.notify({ kind: "left", topics: [topic.name] });
}

/** Takes everybody out of a topic that is no more, and tells them. */
export function empty(topic: Topic, { clients, hub }: Pick<Services, "clients" | "hub">): void {
  for (const session of topic.groups.flatMap(({ members }) => members)) {
    hub.leave(session, topic);
    clients.get(session.id)?.connection.notify({ kind: "left", topics: [topic.name] });
  }
}
