import type { Client } from "../../clients/client.js";
import type { Clients } from "../../clients/clients.js";
import type { FanOut } from "../../core/fan-out.js";
import type { Clock } from "../../core/ports.js";
import type { Session } from "../../core/session.js";
import type { Topic } from "../../core/topic.js";
import type { TopicRules } from "../../core/topic-rules.js";
import type { Presence, PresenceChange, TopicAddress } from "../../presence/presence.js";
import { checkRight } from "../checks.js";
import { PresenceFrames } from "./presence-frames.js";

export interface AttendanceOptions {
  readonly presence: Presence;
  readonly clients: Clients;
  readonly fanOut: FanOut;
  readonly clock: Clock;
}

/** Presence options of a join. Undefined: unchanged; initially visible and not watching. */
export interface JoinPreferences {
  /** Whether the client is neither listed nor counted. */
  readonly hidden: boolean | undefined;
  /** Whether the client receives joins and leaves of other members. */
  readonly watching: boolean | undefined;
  /** Information about the client for other members: JSON text; initially that of its principal. */
  readonly info?: string | undefined;
}

/** Cost of adding a member to presence or removing it, in steps (rule A15). */
const PRESENT_STEPS = 500;

/** Presence state of a membership. Most memberships have none. */
interface MembershipState {
  hidden: boolean;
  /** Information for other members, as JSON text. Undefined: that of the client's principal. */
  info: string | undefined;
  /** Data for watchers when the session has left. */
  leaveInfo: string | undefined;
  endWatch: (() => void) | undefined;
}

/** Keeps presence consistent with the memberships of this node's sessions, and reports changes to watching sessions. */
export class Attendance {
  readonly #options: AttendanceOptions;
  readonly #frames = new PresenceFrames();
  /** Topics whose members have not all been updated after a change of the rules. */
  readonly #outdated = new WeakSet<Topic>();
  readonly #states = new WeakMap<Session, Map<Topic, MembershipState>>();

  constructor(options: AttendanceOptions) {
    this.#options = options;
    options.clients.listen({
      onOpened: () => {},
      onClosed: () => {},
      onChanged: (client) => {
        this.#present(client, client.session.memberships.keys());
      },
    });
  }

  /** Records a join, even if the client was already in the topic. Frames already sent reach the client before any change. */
  entered(client: Client, topic: Topic, { hidden, info, watching }: JoinPreferences): void {
    const { session } = client;
    if (info !== undefined) this.#findOrAddState(session, topic).info = info;
    if (hidden !== undefined && hidden !== this.#isHidden(session, topic))
      this.#findOrAddState(session, topic).hidden = hidden;
    this.#present(client, [topic]);
    if (watching === true) this.#watch(session, topic);
    else if (watching === false) this.#unwatch(session, topic);
  }

  /**
   * Sets the data that watchers on all nodes receive when the session leaves a topic. Does nothing where the session is not in
   * the topic.
   * @param topic - undefined for all topics of the session
   */
  setLeaveInfo(session: Session, topic: Topic | undefined, leaveInfo: string): void {
    for (const each of topic === undefined ? session.memberships.keys() : [topic]) {
      if (each.rules.presence && session.memberships.has(each))
        this.#findOrAddState(session, each).leaveInfo = leaveInfo;
    }
  }

  left(session: Session, topic: Topic): void {
    const states = this.#states.get(session);
    const state = states?.get(topic);
    if (topic.rules.presence || this.#outdated.has(topic))
      this.#options.presence.leave(toAddress(topic), session.id, state?.leaveInfo);
    if (states === undefined) return;
    state?.endWatch?.();
    states.delete(topic);
    if (states.size === 0) this.#states.delete(session);
  }

  /** Restarts the watch of a client that has just received the list of members, so that it receives only later changes. */
  restartWatch({ session }: Client, { broker, topic: name }: Omit<TopicAddress, "vhost">): void {
    for (const [topic, { endWatch }] of this.#states.get(session) ?? []) {
      if (topic.name === name && topic.broker === broker && endWatch !== undefined) this.#watch(session, topic);
    }
  }

  /** Records a change of the topic's rules. {@link bringUpToDate} then updates its members. */
  rulesChanged(topic: Topic, before: TopicRules): void {
    if (topic.rules.presence !== before.presence) this.#outdated.add(topic);
  }

  /**
   * Adds a topic's members to presence, or removes them, by the topic's current rules. Yields the steps of each part (rule
   * A15). Between the parts, members may join and leave, and the rules may change again.
   */
  *bringUpToDate(topic: Topic): Generator<number, void> {
    while (this.#outdated.has(topic)) {
      const { presence } = topic.rules;
      const sessions = topic.groups.flatMap(({ members }) => members);
      let isSame = true;
      for (const session of sessions) {
        this.#updatePresence(session, topic);
        yield PRESENT_STEPS;
        isSame = topic.rules.presence === presence;
        if (!isSame) break;
      }
      if (isSame) this.#outdated.delete(topic);
    }
  }

  #updatePresence(session: Session, topic: Topic): void {
    const client = this.#options.clients.get(session.id);
    if (!topic.rules.presence) this.#options.presence.leave(toAddress(topic), session.id);
    else if (client !== undefined && session.memberships.has(topic)) this.#present(client, [topic]);
  }

  /** Ends the watches that a client no longer has permission for, and notifies it. */
  review(client: Client): void {
    const { session } = client;
    const lost: string[] = [];
    for (const [topic, { endWatch }] of this.#states.get(session) ?? []) {
      if (endWatch === undefined || checkRight(client, "presence", topic.name) === undefined) continue;
      this.#unwatch(session, topic);
      lost.push(topic.name);
    }
    if (lost.length > 0) client.connection.notify({ kind: "unwatched", topics: lost });
  }

  #present({ principal: { info, user = "" }, session }: Client, topics: Iterable<Topic>): void {
    const { clock, presence } = this.#options;
    for (const topic of topics) {
      if (!topic.rules.presence) continue;
      const own = this.#states.get(session)?.get(topic)?.info;
      const member = { connectionId: session.id, user, info: own ?? info, joined: clock.now() };
      presence.enter(toAddress(topic), member, this.#isHidden(session, topic));
    }
  }

  #watch(session: Session, topic: Topic): void {
    const { fanOut, presence } = this.#options;
    const state = this.#findOrAddState(session, topic);
    state.endWatch?.();
    // Each session has its own watch, because watches begin at different times. Sessions share the frames of equal changes.
    state.endWatch = presence.watch(toAddress(topic), (change: PresenceChange) => {
      for (const frame of this.#frames.of(change, topic.name, session.encoding)) fanOut.send(session, frame);
    });
  }

  #unwatch(session: Session, topic: Topic): void {
    const state = this.#states.get(session)?.get(topic);
    state?.endWatch?.();
    if (state !== undefined) state.endWatch = undefined;
  }

  #isHidden(session: Session, topic: Topic): boolean {
    return this.#states.get(session)?.get(topic)?.hidden === true;
  }

  #findOrAddState(session: Session, topic: Topic): MembershipState {
    const states = this.#states.get(session) ?? new Map<Topic, MembershipState>();
    this.#states.set(session, states);
    const state = states.get(topic) ?? { hidden: false, info: undefined, leaveInfo: undefined, endWatch: undefined };
    states.set(topic, state);
    return state;
  }
}

function toAddress({ broker, name, vhost }: Topic): TopicAddress {
  return { vhost, broker, topic: name };
}
