import { decide } from "../access/decide/decide.js";
import type { Principal } from "../access/decide/principal.js";
import type { Client } from "../clients/client.js";
import type { Topic } from "../core/topic.js";
import type { TopicAccess } from "../vhosts/vhost.js";
import type { Services } from "./services.js";

/** Who may be in which topics: as it was, or as it is. */
interface Standing {
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

export function mayBeIn({ name }: Topic, { access, principal }: Standing): boolean {
  if (!access.exists(name)) return false;
  return decide({ action: "join", topic: name, principal, rules: access.rulesFor(name) }).allowed;
}
