import type { Action } from "../../access/decide/actions.js";
import type { Client } from "../../clients/client.js";
import { labelProblem } from "../../core/topic-name.js";
import { CarillonError, invalidArgument } from "../../errors.js";
import { checkExists, checkRight, findMembership, parseTopics, prepareRights, throwIfRefused } from "../checks.js";
import { type JoinCommand, type JoinedResult, MAX_LISTED_MEMBERS, type ReplayRequest, type Reply } from "../command.js";
import type { CommandContext } from "../command-context.js";
import { applyChanges, callHook } from "../hooks.js";
import { type JoinEntry, joinTopics } from "../join-topics.js";

/** Joins all of the topics or none (O4), after checking rules and permissions and calling the backend's join hook. */
export async function join(command: JoinCommand, client: Client, context: CommandContext, reply: Reply): Promise<void> {
  const { brokers, topicsPerConnection } = context;
  const limit = topicsPerConnection(client.vhost.name);
  // Bounds the number of decisions and the size of the hook request.
  if (command.topics.length > limit) {
    throw new CarillonError("resource_exhausted", `${command.topics.length} topics, the limit is ${limit}`);
  }
  const topics = parseTopics(command.topics);
  brokers.resolve(client.vhost.name, command.broker);
  if (command.once === true) checkFresh(client, command.broker, topics, context);
  const { group, replay } = command;
  checkGroup(group);
  if (replay !== undefined) checkReplay(replay, client, command.broker, topics, context);
  const byToken = new Set<string>();
  // A channel token that permits the join permits the rewind, as the right to join does.
  const rewindRefusal = (topic: string): CarillonError | undefined =>
    isRewound(topic, client, replay) && !byToken.has(topic) ? checkRight(client, "history", topic) : undefined;
  const furtherRefusal = (topic: string): CarillonError | undefined =>
    (command.presence === true ? checkRight(client, "presence", topic) : undefined) ?? rewindRefusal(topic);
  const actions: Action[] = ["join"];
  if (command.presence === true) actions.push("presence");
  if (replay?.latest !== undefined) actions.push("history");
  const ahead = (): Promise<void> | undefined => prepareRights(client, actions, topics);
  await ahead();
  for (const topic of topics) {
    const refusal = checkRight(client, "join", topic);
    if (refusal === undefined) continue;
    // A channel token replaces only a missing permission: the channel must exist, and the client's own terms must allow joins.
    const mayOpen = refusal.code === "permission_denied" && client.principal.terms?.mayJoin !== false;
    if (command.auth === undefined || !mayOpen) throw refusal;
    await client.vhost.authenticatorFor(client.origin.dialect).checkChannelToken(command.auth, topic);
    byToken.add(topic);
  }
  for (const topic of topics) throwIfRefused(furtherRefusal(topic));
  const changes = await callHook(client, "join", (hooks, who) =>
    hooks.onJoin({
      client: who,
      broker: command.broker,
      topics: [...topics],
      upgrade: hooks.upgradeAtJoin(client.upgrade),
    }),
  );
  const refusal = (topic: string): CarillonError | undefined => {
    const joinRefusal = byToken.has(topic) ? checkExists(client, topic) : checkRight(client, "join", topic);
    return joinRefusal ?? furtherRefusal(topic);
  };
  const onJoined: JoinEntry["onJoined"] = (left, replays) => {
    reply({ ok: true, result: createResult(command, client, { left, replays }, context) });
  };
  const preferences = { hidden: command.hidden, watching: command.presence, info: command.info };
  const bytes = await joinTopics(
    client,
    { broker: command.broker, topics, group, preferences, replay, ahead, refusal, onJoined },
    context,
  );
  if (changes !== undefined) await applyChanges(client, changes, context);
  if (bytes > 0) await chargeReplay(client, bytes, context);
}

/** Delays the client's next command while its replays exceed its rate of answers (A11). */
async function chargeReplay({ rates }: Client, bytes: number, { clock }: CommandContext): Promise<void> {
  const wait = rates?.answeredBytes?.spend(bytes) ?? 0;
  if (wait === 0) return;
  await new Promise<void>((resolve) => {
    clock.after(wait, resolve);
  });
}

function createResult(
  { broker, group, listed, topics }: JoinCommand,
  client: Client,
  { left, replays }: Pick<JoinedResult, "replays"> & { readonly left: readonly string[] },
  context: CommandContext,
) {
  const [topic = ""] = topics;
  if (listed === true) {
    const address = {
      vhost: client.vhost.name,
      broker: context.brokers.resolve(client.vhost.name, broker).name,
      topic,
    };
    // Two more than the answer lists: one for the client itself, and one that shows whether there are more.
    const first = context.presence.members(address).slice(0, MAX_LISTED_MEMBERS + 2);
    const others = first.filter(({ connectionId }) => connectionId !== client.session.id);
    return {
      kind: "otherMembers",
      members: others.slice(0, MAX_LISTED_MEMBERS),
      more: others.length > MAX_LISTED_MEMBERS,
    } as const;
  }
  if (group === undefined && replays === undefined) return undefined;
  return { kind: "joined", left: group === undefined ? undefined : left, replays } as const;
}

function checkFresh(client: Client, broker: string, topics: ReadonlySet<string>, context: CommandContext): void {
  for (const topic of topics) {
    if (findMembership(client, broker, topic, context) === undefined) continue;
    throw new CarillonError("already_exists", `the connection is already in topic ${JSON.stringify(topic)}`);
  }
}

/** Whether a join requests stored messages of a topic that it does not recover. A topic without history has none. */
function isRewound(topic: string, { vhost }: Client, replay: ReplayRequest | undefined): boolean {
  if (replay?.latest === undefined || replay.latest.limit === 0 || replay.recover.has(topic)) return false;
  return vhost.rulesFor(topic).history !== undefined;
}

function checkReplay(
  { recover }: ReplayRequest,
  client: Client,
  broker: string,
  topics: ReadonlySet<string>,
  context: CommandContext,
): void {
  for (const topic of recover.keys()) {
    if (!topics.has(topic)) {
      throw invalidArgument(`recover: topic ${JSON.stringify(topic)} is not among the topics of the join`);
    }
  }
  // A client that is in the topic has received its messages since it joined.
  checkFresh(client, broker, new Set(recover.keys()), context);
}

function checkGroup(group: string | undefined): void {
  const problem = group === "" ? "is empty" : labelProblem(group ?? "");
  if (problem !== undefined) throw new CarillonError("invalid_argument", `group ${problem}`);
}
