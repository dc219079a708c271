import type { Client } from "../../clients/client.js";
import { CarillonError } from "../../errors.js";
import type { Member } from "../../presence/presence.js";
import { checkRight, parseTopics, prepareRights } from "../checks.js";
import type { PresenceCommand, Reply } from "../command.js";
import type { CommandContext } from "../command-context.js";

/** Most members that an answer lists. */
const MOST_MEMBERS = 1_000;

/** Answers with the members of a topic. */
export async function presence(
  command: PresenceCommand,
  client: Client,
  context: CommandContext,
  reply: Reply,
): Promise<void> {
  const topics = parseTopics(command.topics);
  const [topic] = topics;
  if (topic === undefined || topics.size > 1) {
    throw new CarillonError("invalid_argument", `topics: ${topics.size} of them, exactly one is needed`);
  }
  const { name: broker } = context.brokers.resolve(client.vhost.name, command.broker);
  await prepareRights(client, ["presence", "join"], topics);
  const refusal = checkRight(client, "presence", topic);
  if (refusal !== undefined) throw refusal;
  const place = { vhost: client.vhost.name, broker, topic };
  const members = context.presence.members(place);
  reply({
    ok: true,
    result: {
      kind: "present",
      topic,
      count: context.presence.count(place),
      users: context.presence.users(place),
      members: takeFirst(members),
      more: members.length > MOST_MEMBERS,
    },
  });
  // Changes that wait to be reported are in the answer.
  context.attendance.watchAnew(client, place);
}

/** Shared first parts of long lists, so that dialects encode each list once until it changes. */
const firsts = new WeakMap<readonly Member[], readonly Member[]>();

function takeFirst(members: readonly Member[]): readonly Member[] {
  if (members.length <= MOST_MEMBERS) return members;
  let first = firsts.get(members);
  if (first === undefined) {
    first = members.slice(0, MOST_MEMBERS);
    firsts.set(members, first);
  }
  return first;
}
