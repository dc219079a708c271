import type { ChosenClose, CloseReason } from "../errors.js";
import type { FanOut } from "./fan-out.js";
import type { Session } from "./session.js";
import type { Topic } from "./topic.js";

/** Told when a session is no longer in a topic, so that what came with it can be let go. */
export type OnLeft = (topic: Topic, session: Session) => void;

/** Who on this node is in which topic. */
export class Hub {
  readonly #sessions = new Set<Session>();
  readonly #fanOut: FanOut;
  readonly #onLeft: OnLeft;

  constructor(fanOut: FanOut, onLeft: OnLeft) {
    this.#fanOut = fanOut;
    this.#onLeft = onLeft;
  }

  get sessions(): ReadonlySet<Session> {
    return this.#sessions;
  }

  add(session: Session): void {
    this.#sessions.add(session);
  }

  /**
   * From now on the session gets the topic's messages: those of this turn that came before not (O3).
   * @returns false when it was in the topic already
   */
  join(session: Session, topic: Topic): boolean {
    if (session.memberships.has(topic)) return false;
    const audience = topic.audienceFor(session.encoding);
    this.#fanOut.settle(audience);
    session.memberships.set(topic, { audience, place: audience.members.push(session) - 1 });
    return true;
  }

  /** The session has all messages that came before, and gets none from now on (O3). */
  leave(session: Session, topic: Topic): void {
    const membership = session.memberships.get(topic);
    if (membership === undefined) return;
    const { audience, place } = membership;
    this.#fanOut.settle(audience);
    session.memberships.delete(topic);
    const last = audience.members.pop();
    if (last !== undefined && last !== session) {
      audience.members[place] = last;
      const moved = last.memberships.get(topic);
      if (moved !== undefined) moved.place = place;
    }
    if (audience.members.length === 0) topic.audiences.splice(topic.audiences.indexOf(audience), 1);
    this.#onLeft(topic, session);
  }

  /**
   * Takes a session out of everything. With a reason, its connection is ended too, after it got what came before.
   */
  remove(session: Session, reason?: CloseReason | ChosenClose): void {
    if (!this.#sessions.delete(session)) return;
    for (const topic of session.memberships.keys()) this.leave(session, topic);
    if (reason === "slow_consumer") session.abandon();
    else if (reason !== undefined) session.finish();
    session.end(reason);
  }
}
