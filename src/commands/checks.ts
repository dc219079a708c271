import type { Action } from "../access/decide/actions.js";
import { decide } from "../access/decide/decide.js";
import type { Principal } from "../access/decide/principal.js";
import { matchAhead } from "../access/patterns/match-ahead.js";
import type { Client } from "../clients/client.js";
import { topicProblem } from "../core/topic-name.js";
import { CarillonError, invalidArgument } from "../errors.js";
import type { CommandContext } from "./command-context.js";

/**
 * Parses the topics that a command names. Drops duplicates and keeps the order.
 * @throws CarillonError invalid_argument for an empty list or an invalid name
 */
export function parseTopics(topics: readonly string[]): ReadonlySet<string> {
  if (topics.length === 0) throw invalidArgument("topics: at least one is required");
  for (const [position, topic] of topics.entries()) {
    const problem = topicProblem(topic);
    if (problem !== undefined) throw invalidArgument(`topics[${position}] ${problem}`);
  }
  return new Set(topics);
}

/**
 * Finds a topic that the client is in.
 * @param broker - "" for the vhost's default
 * @returns the topic; undefined if the client is not in it
 * @throws CarillonError not_found: unknown broker
 */
export function findMembership({ session }: Client, broker: string, topic: string, { brokers, index }: CommandContext) {
  const known = index.find(session.vhost, brokers.resolve(session.vhost, broker).name, topic);
  return known !== undefined && session.memberships.has(known) ? known : undefined;
}

/**
 * Checks that the client is in a topic.
 * @throws CarillonError not_found: unknown broker, or a channel that is not open
 * @throws CarillonError failed_precondition: the client is not in the topic
 */
export function checkMembership(client: Client, broker: string, topic: string, context: CommandContext): void {
  const absence = checkExists(client, topic);
  if (absence !== undefined) throw absence;
  if (findMembership(client, broker, topic, context) !== undefined) return;
  throw new CarillonError("failed_precondition", `the connection is not in topic ${JSON.stringify(topic)}`);
}

/** Throws a refusal, if there is one. */
export function throwIfRefused(refusal: CarillonError | undefined): void {
  if (refusal !== undefined) throw refusal;
}

/**
 * Checks whether a client may perform an action on a topic. The error reveals nothing about the vhost's rules.
 * @returns the error; undefined if the action is allowed
 */
export function checkRight(client: Client, action: Action, topic: string): CarillonError | undefined {
  const { principal, vhost } = client;
  const absence = checkExists(client, topic);
  if (absence !== undefined) return absence;
  const { allowed } = decide({ action, topic, principal, rules: vhost.rulesFor(topic) });
  if (allowed) return undefined;
  return new CarillonError("permission_denied", `${REFUSED[action]} ${JSON.stringify(topic)}`);
}

/**
 * Matches the topics against the patterns that {@link checkRight} needs, in slices where that takes long.
 * @param principals - principals whose rights will be checked; default: the client's current one
 * @returns undefined if the rights can be checked at once
 * @throws CarillonError resource_exhausted: matching would take too long
 */
export function prepareRights(
  client: Client,
  actions: readonly Action[],
  topics: Iterable<string>,
  principals?: readonly Principal[],
): Promise<void> | undefined {
  const { vhost } = client;
  // Fast path of nearly every publish. It allocates nothing.
  if (principals === undefined && vhost.ruleMatchers.isCheap && areCheap(client.principal, actions)) return undefined;
  return matchAhead(vhost.name, function* () {
    const ofActions = (principals ?? [client.principal]).flatMap(({ permissions }) =>
      actions.map((action) => permissions.matchersOf(action)),
    );
    const lists = new Set([vhost.ruleMatchers, ...ofActions]);
    for (const list of lists) {
      if (list === undefined || list.weight === 0) continue;
      for (const name of topics) yield { list, name };
    }
  });
}

function areCheap({ permissions }: Principal, actions: readonly Action[]): boolean {
  for (const action of actions) if (permissions.matchersOf(action)?.isCheap === false) return false;
  return true;
}

/**
 * Checks that a topic exists for a client, regardless of its permissions.
 * @returns the error; undefined if the topic exists
 */
export function checkExists({ openedOnly, vhost }: Pick<Client, "openedOnly" | "vhost">, topic: string) {
  if (vhost.exists(topic) && (!openedOnly || vhost.channels.has(topic))) return undefined;
  return new CarillonError("not_found", `channel ${JSON.stringify(topic)} is not open`);
}

const REFUSED: Readonly<Record<Action, string>> = {
  join: "this client may not join",
  publish: "this client may not publish on",
  call: "this client may not call",
  presence: "this client may not see the presence of",
  history: "this client may not read the history of",
};
