import type { Client } from "../../clients/client.js";
import { CarillonError } from "../../errors.js";
import type { Member } from "../../presence/presence.js";
import { checkRight, parseTopics, prepareRights } from "../checks.js";
import { MAX_LISTED_MEMBERS, type PresenceCommand, type Reply } from "../command.js";
import type { CommandContext } from "../command-context.js";

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
    throw new CarillonError("invalid_argument", `topics: expected exactly one, got ${topics.size}`);
  }
  const { name: broker } = context.brokers.resolve(client.vhost.name, command.broker);
  await prepareRights(client, ["presence", "join"], topics);
  const refusal = checkRight(client, "presence", topic);
  if (refusal !== undefined) throw refusal;
  const address = { vhost: client.vhost.name, broker, topic };
  const members = context.presence.members(address);
  reply({
    ok: true,
    result: {
      kind: "present",
      topic,
      count: context.presence.count(address),
      users: context.presence.users(address),
      members: takeFirst(members),
      more: members.length > MAX_LISTED_MEMBERS,
    },
  });
  // The answer includes pending changes, so they must not be reported again.
  context.attendance.restartWatch(client, address);
}

/** First parts of long lists. They are shared, so that dialects encode each list only once until it changes. */
const firsts = new WeakMap<readonly Member[], readonly Member[]>();

function takeFirst(members: readonly Member[]): readonly Member[] {
  if (members.length <= MAX_LISTED_MEMBERS) return members;
  let first = firsts.get(members);
  if (first === undefined) {
    first = members.slice(0, MAX_LISTED_MEMBERS);
    firsts.set(members, first);
  }
  return first;
}
