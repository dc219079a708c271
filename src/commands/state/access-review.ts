import { type Match, matchAhead, matchInParts, runInTurns } from "../../access/patterns/match-ahead.js";
import type { Client } from "../../clients/client.js";
import type { Clients } from "../../clients/clients.js";
import type { UserTopics } from "../../clients/user-topics.js";
import type { Hub } from "../../core/hub.js";
import type { Session } from "../../core/session.js";
import type { Membership, Topic } from "../../core/topic.js";
import type { TopicIndex } from "../../core/topic-index.js";
import type { TopicAccess, Vhost } from "../../vhosts/vhost.js";
import { mayBeIn } from "../exit.js";
import type { Attendance } from "./attendance.js";

/** Costs in steps (rule A15) to visit a topic or client, decide on a membership, and end one with its notice. */
const LOOK_STEPS = 50;
const DECISION_STEPS = 150;
const EXIT_STEPS = 1_000;

/** Maximum number of a client's memberships that are decided on together, and of topics in a notice. */
const CHUNK = 1_000;

/** A change of the access of a vhost's clients. It applies to new commands at once. */
export interface AccessChange {
  /** The only channel that it affects; undefined for all topics. */
  readonly channel: string | undefined;
  /** Access before the change; undefined for a closed channel, from which all clients are removed. */
  readonly before: TopicAccess | undefined;
}

interface PendingChange extends AccessChange {
  /** Memberships that need no review, because they began after the change or it was already applied to them. */
  readonly settled: WeakSet<Membership>;
}

interface Review {
  /** Changes in the order in which they were made. Those of the current pass come first. */
  readonly pending: PendingChange[];
  /** Resolves when the current pass ends. */
  current: Promise<void> | undefined;
  /** Resolves when the next pass ends. Changes made before it begins share it. */
  next: Promise<void> | undefined;
}

export interface AccessReviewOptions {
  readonly attendance: Attendance;
  readonly clients: Clients;
  readonly hub: Hub;
  readonly index: TopicIndex;
  readonly userTopics: UserTopics;
  readonly onError: (vhost: string, cause: unknown) => void;
}

/**
 * Applies changes of vhosts to connected clients, in slices (rule A15). A client that a change excludes from a topic is
 * removed from it and notified. Clients that are in it for another reason, such as a channel token, stay.
 *
 * Commands are executed between the slices, by the new settings. Before a join or a fresh token takes effect, the client's own
 * memberships are reviewed. A change does not affect memberships that began after it. Changes made during a pass share the
 * next one.
 */
export class AccessReview {
  readonly #options: AccessReviewOptions;
  readonly #reviews = new Map<Vhost, Review>();

  constructor(options: AccessReviewOptions) {
    this.#options = options;
  }

  /** Applies a change. Resolves when it has been applied to all clients of this node. Never rejects. */
  apply(vhost: Vhost, change: AccessChange): Promise<void> {
    const review = this.#reviews.get(vhost) ?? { pending: [], current: undefined, next: undefined };
    this.#reviews.set(vhost, review);
    review.pending.push({ ...change, settled: new WeakSet() });
    review.next ??= this.#reviewVhostAfter(review.current, vhost, review);
    return review.next;
  }

  /** Prepares {@link settle}. Where this returns undefined, it can be called at once. @throws as `matchAhead` does */
  prepare(client: Client, topics: Iterable<string>): Promise<void> | undefined {
    const { vhost } = client;
    if (!this.#reviews.has(vhost)) return undefined;
    const names = [...topics];
    return matchAhead(vhost.name, () => listMatches(client, this.#pendingOf(vhost), names));
  }

  /** Applies pending changes to a client's memberships now, before its rights change or it joins the topics again. */
  settle(client: Client, topics: Iterable<Topic>): void {
    const pending = this.#pendingOf(client.vhost);
    if (pending.length === 0) return;
    const all = [...topics];
    this.#exitForbidden(client, all, pending);
    for (const topic of all) this.entered(client, topic);
  }

  /** Updates the rules of topics that a client is about to join. */
  refresh({ vhost }: Client, topics: Iterable<Topic>): void {
    if (this.#reviews.has(vhost)) for (const topic of topics) this.#refresh(vhost, topic);
  }

  /** Records a membership that began after the pending changes. */
  entered({ session, vhost }: Client, topic: Topic): void {
    const membership = session.memberships.get(topic);
    if (membership !== undefined) for (const { settled } of this.#pendingOf(vhost)) settled.add(membership);
  }

  #pendingOf(vhost: Vhost): readonly PendingChange[] {
    return this.#reviews.get(vhost)?.pending ?? NONE;
  }

  async #reviewVhostAfter(before: Promise<void> | undefined, vhost: Vhost, review: Review): Promise<void> {
    await before;
    review.current = review.next;
    review.next = undefined;
    const changes = [...review.pending];
    try {
      // Each pass has its own queue, so that long commands of the vhost's clients do not delay it.
      await runInTurns(`${vhost.name}\nreview`, this.#reviewVhost(vhost, changes));
    } catch (cause) {
      this.#options.onError(vhost.name, cause);
    }
    review.pending.splice(0, changes.length);
    if (review.pending.length === 0) this.#reviews.delete(vhost);
  }

  *#reviewVhost(vhost: Vhost, changes: readonly PendingChange[]): Generator<number, void> {
    const { clients, index, userTopics } = this.#options;
    const channels = changes.map(({ channel }) => channel);
    const named = new Set(channels.filter((channel) => channel !== undefined));
    if (named.size === channels.length) {
      for (const name of named) yield* this.#reviewChannel(vhost, name, changes);
      return;
    }
    yield* userTopics.refresh(vhost.name);
    for (const topic of index.of(vhost.name)) yield* this.#reviewTopic(vhost, topic);
    for (const client of clients.all(vhost.name)) {
      const topics = [...client.session.memberships.keys()];
      yield LOOK_STEPS + topics.length;
      if (client.vhost === vhost) yield* this.#reviewClient(client, topics, changes);
    }
  }

  *#reviewChannel(vhost: Vhost, name: string, changes: readonly PendingChange[]): Generator<number, void> {
    const { clients, index } = this.#options;
    for (const topic of index.named(vhost.name, name)) {
      yield* this.#reviewTopic(vhost, topic);
      for (const { id } of copyMembers(topic)) {
        const client = clients.get(id);
        if (client !== undefined) yield* this.#reviewClient(client, [topic], changes);
      }
    }
  }

  *#reviewTopic(vhost: Vhost, topic: Topic): Generator<number, void> {
    yield* matchInParts([{ list: vhost.ruleMatchers, name: topic.name }]);
    this.#refresh(vhost, topic);
    yield LOOK_STEPS;
    yield* this.#options.attendance.bringUpToDate(topic);
  }

  #refresh(vhost: Vhost, topic: Topic): void {
    const before = topic.rules;
    topic.rules = vhost.rulesFor(topic.name);
    if (topic.rules.history !== before.history) topic.subscription?.changeHistory(topic.rules.history);
    this.#options.attendance.rulesChanged(topic, before);
  }

  *#reviewClient(client: Client, topics: readonly Topic[], changes: readonly PendingChange[]): Generator<number, void> {
    for (let begin = 0; begin < topics.length; begin += CHUNK) {
      const chunk = topics.slice(begin, begin + CHUNK);
      const names = chunk.map(({ name }) => name);
      yield* matchInParts(listMatches(client, changes, names));
      const lost = this.#exitForbidden(client, chunk, changes);
      yield DECISION_STEPS * chunk.length + EXIT_STEPS * lost;
    }
    this.#options.attendance.review(client);
  }

  /** @returns the number of topics that the client has lost */
  #exitForbidden(client: Client, topics: readonly Topic[], changes: readonly PendingChange[]): number {
    const { connection, session } = client;
    const lost = topics.filter((topic) => isLost(client, topic, changes));
    for (const topic of lost) this.#options.hub.leave(session, topic);
    if (lost.length > 0) connection.notify({ kind: "left", topics: lost.map(({ name }) => name) });
    return lost.length;
  }
}

const NONE: readonly PendingChange[] = [];

/** Copies the list of members, because a leave reorders it. */
function copyMembers({ groups }: Topic): readonly Session[] {
  return groups.flatMap(({ members }) => members);
}

function isLost({ principal, session, vhost }: Client, topic: Topic, changes: readonly PendingChange[]): boolean {
  const membership = session.memberships.get(topic);
  if (membership === undefined) return false;
  const concerning = changes.filter(
    ({ channel, settled }) => (channel === undefined || channel === topic.name) && !settled.has(membership),
  );
  if (concerning.length === 0) return false;
  if (concerning.some(({ before }) => before === undefined)) return true;
  if (mayBeIn(topic, { principal, access: vhost })) return false;
  return concerning.some(({ before }) => before !== undefined && mayBeIn(topic, { principal, access: before }));
}

/** Lists the matches that a decision about a client's topics needs. */
function* listMatches(
  { principal, vhost }: Client,
  changes: readonly PendingChange[],
  names: readonly string[],
): Generator<Match> {
  const { permissions } = principal;
  const lists = new Set([
    vhost.ruleMatchers,
    permissions.matchersOf("join"),
    permissions.matchersOf("presence"),
    ...changes.map(({ before }) => before?.ruleMatchers),
  ]);
  for (const list of lists) {
    if (list === undefined || list.weight === 0) continue;
    for (const name of names) yield { list, name };
  }
}
