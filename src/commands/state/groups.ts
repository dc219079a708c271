import type { Session } from "../../core/session.js";
import type { Topic } from "../../core/topic.js";

/**
 * Which topics sessions are in through exclusive groups, and not through a join without one. Of these a session leaves
 * those of a group that it joins others through.
 */
export class Groups {
  readonly #sessions = new WeakMap<Session, Map<Topic, Set<string>>>();

  /** What the session leaves when it joins others through the group: it is in them through this one alone. */
  leaving(session: Session, group: string, isJoined: (topic: Topic) => boolean): Topic[] {
    const left: Topic[] = [];
    for (const [topic, groups] of this.#sessions.get(session) ?? []) {
      if (groups.has(group) && groups.size === 1 && !isJoined(topic)) left.push(topic);
    }
    return left;
  }

  /**
   * The session has joined topics.
   * @param group - undefined: through none, so that no group ends it any more
   * @param fresh - those that it was not in before
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
    // Through other groups it stays in what it leaves of this one.
    for (const [topic, groups] of all) if (!joined.has(topic)) groups.delete(group);
    for (const topic of fresh) all.set(topic, new Set([group]));
    // What it is in through no group is in no group's power.
    for (const topic of topics) all.get(topic)?.add(group);
  }

  /** The session is not in the topic any more, or in it for good. */
  left(session: Session, topic: Topic): void {
    const all = this.#sessions.get(session);
    if (all === undefined) return;
    all.delete(topic);
    if (all.size === 0) this.#sessions.delete(session);
  }
}
