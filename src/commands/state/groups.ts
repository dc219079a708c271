import type { Session } from "../../core/session.js";
import type { Topic } from "../../core/topic.js";

/**
 * Topics that sessions have joined through exclusive groups only. A session that joins topics through a group leaves the
 * group's other topics.
 */
export class Groups {
  readonly #sessions = new WeakMap<Session, Map<Topic, Set<string>>>();

  /** Lists the topics that a session leaves by a join through a group: those that it has joined through this group only. */
  leaving(session: Session, group: string, isJoined: (topic: Topic) => boolean): Topic[] {
    const left: Topic[] = [];
    for (const [topic, groups] of this.#sessions.get(session) ?? []) {
      if (groups.has(group) && groups.size === 1 && !isJoined(topic)) left.push(topic);
    }
    return left;
  }

  /**
   * Records a join.
   * @param group - undefined for a join without a group, after which no group can end these memberships
   * @param fresh - those of the topics that the session was not in before
   */
  joined(session: Session, topics: readonly Topic[], group: string | undefined, fresh: readonly Topic[]): void {
    const known = this.#sessions.get(session);
    if (group === undefined) {
      if (known !== undefined) for (const topic of topics) this.left(session, topic);
      return;
    }
    const all = known ?? new Map<Topic, Set<string>>();
    this.#sessions.set(session, all);
    const joined = new Set(topics);
    // Memberships that also belong to other groups stay.
    for (const [topic, groups] of all) if (!joined.has(topic)) groups.delete(group);
    for (const topic of fresh) all.set(topic, new Set([group]));
    // Memberships that began without a group are not in `all`, and stay independent of groups.
    for (const topic of topics) all.get(topic)?.add(group);
  }

  /** Forgets the groups of a membership, which has ended or no longer depends on a group. */
  left(session: Session, topic: Topic): void {
    const all = this.#sessions.get(session);
    if (all === undefined) return;
    all.delete(topic);
    if (all.size === 0) this.#sessions.delete(session);
  }
}
