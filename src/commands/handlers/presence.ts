import type { Client } from "../../clients/client.js";
import { CarillonError } from "../../errors.js";
import type { Member } from "../../presence/presence.js";
import type { PresenceCommand, Reply } from "../command.js";
import { checkRight, rightsAhead } from "../rights.js";
import type { Services } from "../services.js";
import { distinctTopics } from "../topics.js";

/** Most members that one answer lists. */
const MOST_MEMBERS = 1_000;

/** Who is in a topic. */
export async function presence(
  command: PresenceCommand,
  client: Client,
  services: Services,
  reply: Reply,
): Promise<void> {
  const topics = distinctTopics(command.topics);
  const [topic] = topics;
  if (topic === undefined || topics.size > 1) {
    throw new CarillonError("invalid_argument", `topics: ${topics.size} of them, exactly one is needed`);
  }
  const { name: broker } = services.brokers.resolve(client.vhost.name, command.broker);
  await rightsAhead(client, ["presence", "join"], topics);
  const refusal = checkRight(client, "presence", topic);
  if (refusal !== undefined) throw refusal;
  const place = { vhost: client.vhost.name, broker, topic };
  const members = services.presence.members(place);
  reply({
    ok: true,
    result: {
      kind: "present",
      topic,
      count: services.presence.count(place),
      users: services.presence.users(place),
      members: firstOf(members),
      more: members.length > MOST_MEMBERS,
    },
  });
  // What waits to be told is in the answer.
  services.attendance.watchAnew(client, place);
}

/** The same list for as long as nobody comes or goes: dialects write it once. */
const firsts = new WeakMap<readonly Member[], readonly Member[]>();

function firstOf(members: readonly Member[]): readonly Member[] {
  if (members.length <= MOST_MEMBERS) return members;
  let first = firsts.get(members);
  if (first === undefined) {
    first = members.slice(0, MOST_MEMBERS);
    firsts.set(members, first);
  }
  return first;
}
