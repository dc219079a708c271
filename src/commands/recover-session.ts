import type { Client } from "../clients/client.js";
import { CarillonError } from "../errors.js";
import { checkExists, checkRight, parseTopics, prepareRights, throwIfRefused } from "./checks.js";
import type { CommandContext } from "./command-context.js";
import { applyChanges, callHook } from "./hooks.js";
import { joinTopics } from "./join-topics.js";

/** Topics of an earlier session whose client has come back. */
export interface SessionRecovery {
  /** Positions of the newest messages that the client has received, by topic of the default broker. At least one. */
  readonly positions: ReadonlyMap<string, string>;
  /** Topics that the earlier session had joined through an exclusive group only. */
  readonly group: { readonly name: string; readonly topics: ReadonlySet<string> };
  /** Topics that the backend has just chosen for the client, which needs no permission for them. */
  readonly granted: ReadonlySet<string>;
  /** Called in the turn in which the memberships begin, before the missed messages are sent. */
  readonly onRecovered: () => void;
}

/**
 * Joins the topics of an earlier session again, and sends the messages that its client has missed: all of them, or nothing is
 * joined (rule H3). Checks rights and calls the join hook as for any join. If the session ends meanwhile, `onRecovered` is not
 * called.
 * @throws CarillonError as a join does; failed_precondition: a topic cannot be recovered
 */
export async function recoverSession(
  client: Client,
  { granted, group, onRecovered, positions }: SessionRecovery,
  context: CommandContext,
): Promise<void> {
  const topics = parseTopics([...positions.keys()]);
  const ahead = (): Promise<void> | undefined => prepareRights(client, ["join"], topics);
  const refusal = (topic: string): CarillonError | undefined =>
    granted.has(topic) ? checkExists(client, topic) : checkRight(client, "join", topic);
  if (context.clients.isExpired(client)) throw new CarillonError("unauthenticated", "the token has expired");
  await ahead();
  for (const topic of topics) throwIfRefused(refusal(topic));
  const asked = [...topics].filter((topic) => !granted.has(topic));
  const changes =
    asked.length === 0
      ? undefined
      : await callHook(client, "join", (hooks, who) =>
          hooks.onJoin({ client: who, broker: "", topics: asked, upgrade: hooks.upgradeAtJoin(client.upgrade) }),
        );
  const replay = { recover: positions, latest: undefined };
  const entry = { broker: "", topics, replay, recoverAll: true, ahead, refusal, onJoined: onRecovered };
  await joinTopics(client, entry, context);
  recordGroup(client, group, context);
  if (changes !== undefined && client.session.open) await applyChanges(client, changes, context);
}

function recordGroup(
  { session }: Client,
  { name, topics }: SessionRecovery["group"],
  { groups }: Pick<CommandContext, "groups">,
): void {
  const members = [...session.memberships.keys()].filter((topic) => topics.has(topic.name));
  if (members.length > 0) groups.joined(session, members, name, members);
}
