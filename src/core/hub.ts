import type { ChosenClose, CloseReason } from "../errors.js";
import type { FanOut } from "./fan-out.js";
import type { Session } from "./session.js";
import type { Topic } from "./topic.js";

/** Called after a session has left a topic, so that the caller can release the subscription. */
export type OnLeft = (topic: Topic, session: Session) => void;

/** Sessions of this node and their memberships in topics. */
export class Hub {
  readonly #sessions = new Set<Session>();
  readonly #fanOut: FanOut;
  readonly #onLeft: OnLeft;
  #memberships = 0;

  constructor(fanOut: FanOut, onLeft: OnLeft) {
    this.#fanOut = fanOut;
    this.#onLeft = onLeft;
  }

  get sessions(): ReadonlySet<Session> {
    return this.#sessions;
  }

  /** Number of memberships of all sessions in topics. */
  get memberships(): number {
    return this.#memberships;
  }

  add(session: Session): void {
    this.#sessions.add(session);
  }

  /**
   * Adds the session to the topic. It receives the messages that arrive from now on, and none that arrived before (O3).
   * @returns false when it was a member already
   */
  join(session: Session, topic: Topic): boolean {
    if (session.memberships.has(topic)) return false;
    const group = topic.groupFor(session.encoding);
    this.#fanOut.settle(group);
    session.memberships.set(topic, { group, place: group.add(session) });
    this.#memberships += 1;
    return true;
  }

  /** Removes the session from the topic. It still receives the messages that arrived before, and none after (O3). */
  leave(session: Session, topic: Topic): void {
    const membership = session.memberships.get(topic);
    if (membership === undefined) return;
    const { group, place } = membership;
    this.#fanOut.settle(group);
    session.memberships.delete(topic);
    this.#memberships -= 1;
    const last = group.members.pop();
    if (last !== undefined && last !== session) {
      group.members[place] = last;
      const moved = last.memberships.get(topic);
      if (moved !== undefined) moved.place = place;
    }
    if (group.members.length === 0) topic.groups = topic.groups.filter((one) => one !== group);
    // A session that ends keeps what it had joined, so that its client can come back to that.
    if (this.#sessions.has(session)) session.frames?.left(topic);
    this.#onLeft(topic, session);
  }

  /**
   * Removes the session and its memberships. With a reason, its connection is closed after the frames written so far; a slow
   * consumer's waiting messages are discarded.
   */
  remove(session: Session, reason?: CloseReason | ChosenClose): void {
    if (!this.#sessions.delete(session)) return;
    for (const topic of session.memberships.keys()) this.leave(session, topic);
    if (reason === "slow_consumer") session.abandon();
    else if (reason !== undefined) session.finish();
    else session.discard();
    session.end(reason);
  }
}
