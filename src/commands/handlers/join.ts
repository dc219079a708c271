import type { Client } from "../../clients/client.js";
import { labelFault } from "../../core/topic-name.js";
import { CarillonError } from "../../errors.js";
import type { JoinCommand, Reply } from "../command.js";
import { enter } from "../enter.js";
import { applyChanges, asked } from "../hooks.js";
import { membershipIn } from "../membership.js";
import { absenceOf, checkRight, rightsAhead } from "../rights.js";
import type { Services } from "../services.js";
import { distinctTopics } from "../topics.js";

/** Most members that one answer lists, as that to a question of who is there. */
const MOST_MEMBERS = 1_000;

/** Joins all of the topics or none (O4): what the rules, the permissions and the backend say comes first. */
export async function join(command: JoinCommand, client: Client, services: Services, reply: Reply): Promise<void> {
  const { brokers, topicsPerConnection } = services;
  const limit = topicsPerConnection(client.vhost.name);
  // Each of them is decided on, and the backend asked: not for more than could be joined.
  if (command.topics.length > limit) {
    throw new CarillonError("resource_exhausted", `${command.topics.length} topics, the limit is ${limit}`);
  }
  const topics = distinctTopics(command.topics);
  brokers.resolve(client.vhost.name, command.broker);
  if (command.once === true) checkFresh(client, command.broker, topics, services);
  const { group } = command;
  checkGroup(group);
  const watchRefusal = (topic: string): CarillonError | undefined =>
    command.presence === true ? checkRight(client, "presence", topic) : undefined;
  const ahead = (): Promise<void> | undefined =>
    rightsAhead(client, command.presence === true ? ["join", "presence"] : ["join"], topics);
  await ahead();
  const byToken = new Set<string>();
  for (const topic of topics) {
    const refusal = checkRight(client, "join", topic);
    if (refusal === undefined) continue;
    // A channel token opens what permissions do not, and nothing that does not exist, or to whom may not join at all.
    const mayOpen = refusal.code === "permission_denied" && client.principal.terms?.joins !== false;
    if (command.auth === undefined || !mayOpen) throw refusal;
    await client.vhost.authenticatorFor(client.origin.dialect).checkChannelToken(command.auth, topic);
    byToken.add(topic);
  }
  for (const topic of topics) throwIf(watchRefusal(topic));
  const changes = await asked(client, "join", (hooks, who) =>
    hooks.onJoin({
      client: who,
      broker: command.broker,
      topics: [...topics],
      upgrade: hooks.upgradeAtJoin(client.upgrade),
    }),
  );
  const refusal = (topic: string): CarillonError | undefined => {
    const toBeIn = byToken.has(topic) ? absenceOf(client, topic) : checkRight(client, "join", topic);
    return toBeIn ?? watchRefusal(topic);
  };
  const onEntered = (left: readonly string[]): void => {
    reply({ ok: true, result: resultOf(command, client, left, services) });
  };
  const wishes = { hidden: command.hidden, watching: command.presence, info: command.info };
  await enter(client, { broker: command.broker, topics, group, wishes, ahead, refusal, onEntered }, services);
  if (changes !== undefined) await applyChanges(client, changes, services);
}

function resultOf(
  { broker, group, listed, topics }: JoinCommand,
  client: Client,
  left: readonly string[],
  services: Services,
) {
  const [topic = ""] = topics;
  if (listed === true) {
    const place = { vhost: client.vhost.name, broker: services.brokers.resolve(client.vhost.name, broker).name, topic };
    // One more than are told, to know whether there are more, and one for the client itself.
    const first = services.presence.members(place).slice(0, MOST_MEMBERS + 2);
    const others = first.filter(({ connectionId }) => connectionId !== client.session.id);
    return { kind: "among", members: others.slice(0, MOST_MEMBERS), more: others.length > MOST_MEMBERS } as const;
  }
  return group === undefined ? undefined : ({ kind: "left", topics: left } as const);
}

function checkFresh(client: Client, broker: string, topics: ReadonlySet<string>, services: Services): void {
  for (const topic of topics) {
    if (membershipIn(client, broker, topic, services) === undefined) continue;
    throw new CarillonError("already_exists", `the connection is in topic ${JSON.stringify(topic)} already`);
  }
}

function checkGroup(group: string | undefined): void {
  const fault = group === "" ? "is empty" : labelFault(group ?? "");
  if (fault !== undefined) throw new CarillonError("invalid_argument", `group ${fault}`);
}

function throwIf(refusal: CarillonError | undefined): void {
  if (refusal !== undefined) throw refusal;
}
