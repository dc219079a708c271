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

/** How a client wants to be in topics; undefined: as it is, and at first seen and not told. */
export interface JoinPreferences {
  /** Neither listed nor counted. */
  readonly hidden: boolean | undefined;
  /** Told who comes and goes. */
  readonly watching: boolean | undefined;
  /** Information about the client for the others, as JSON text; at first that of its token. */
  readonly info?: string | undefined;
}

/** Cost of bringing one member into presence or out of it, in steps (rule A15). */
const PRESENT_STEPS = 500;

/** What is particular about a session in a topic. Most have nothing of it. */
interface Stay {
  hidden: boolean;
  /** Information for the others, as JSON text; undefined: what is known of the client. */
  info: string | undefined;
  /** What they are told with it when the session has left. */
  farewell: string | undefined;
  endWatch: (() => void) | undefined;
}

/** Brings sessions into the presence of the topics that they are in, and tells those that want to know. */
export class Attendance {
  readonly #options: AttendanceOptions;
  readonly #frames = new PresenceFrames();
  /** Topics whose members have not all followed a change of the rules. */
  readonly #outdated = new WeakSet<Topic>();
  readonly #stays = new WeakMap<Session, Map<Topic, Stay>>();

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

  /** The client is in the topic now, or was and joins it again. What it is told comes after what it was sent before. */
  entered(client: Client, topic: Topic, { hidden, info, watching }: JoinPreferences): void {
    const { session } = client;
    if (info !== undefined) this.#stayOf(session, topic).info = info;
    if (hidden !== undefined && hidden !== this.#isHidden(session, topic)) this.#stayOf(session, topic).hidden = hidden;
    this.#present(client, [topic]);
    if (watching === true) this.#watch(session, topic);
    else if (watching === false) this.#unwatch(session, topic);
  }

  /**
   * The session is about to leave the topic, or all that it is in where none is given: who is told that it has left, on any
   * node, is told this too. Does nothing where it is not in it. A connection that just ends says nothing.
   */
  farewell(session: Session, topic: Topic | undefined, farewell: string): void {
    for (const each of topic === undefined ? session.memberships.keys() : [topic]) {
      if (each.rules.presence && session.memberships.has(each)) this.#stayOf(session, each).farewell = farewell;
    }
  }

  left(session: Session, topic: Topic): void {
    const stays = this.#stays.get(session);
    const stay = stays?.get(topic);
    if (topic.rules.presence || this.#outdated.has(topic))
      this.#options.presence.leave(placeOf(topic), session.id, stay?.farewell);
    if (stays === undefined) return;
    stay?.endWatch?.();
    stays.delete(topic);
    if (stays.size === 0) this.#stays.delete(session);
  }

  /** The client has been told who is there. From now on it is told what has changed since. */
  watchAnew({ session }: Client, { broker, topic: name }: Omit<TopicAddress, "vhost">): void {
    for (const [topic, { endWatch }] of this.#stays.get(session) ?? []) {
      if (topic.name === name && topic.broker === broker && endWatch !== undefined) this.#watch(session, topic);
    }
  }

  /** The topic has other rules than before. Its members follow with {@link bringUpToDate}. */
  ruled(topic: Topic, before: TopicRules): void {
    if (topic.rules.presence !== before.presence) this.#outdated.add(topic);
  }

  /**
   * Brings a topic's members into its presence, or out of it, as its rules say now. Parts yield their steps (rule A15):
   * members come and go between them, and the rules may change again.
   */
  *bringUpToDate(topic: Topic): Generator<number, void> {
    while (this.#outdated.has(topic)) {
      const { presence } = topic.rules;
      const sessions = topic.groups.flatMap(({ members }) => members);
      let isSame = true;
      for (const session of sessions) {
        this.#presentOrNot(session, topic);
        yield PRESENT_STEPS;
        isSame = topic.rules.presence === presence;
        if (!isSame) break;
      }
      if (isSame) this.#outdated.delete(topic);
    }
  }

  #presentOrNot(session: Session, topic: Topic): void {
    const client = this.#options.clients.get(session.id);
    if (!topic.rules.presence) this.#options.presence.leave(placeOf(topic), session.id);
    else if (client !== undefined && session.memberships.has(topic)) this.#present(client, [topic]);
  }

  /** What the client may do has changed: it is told no more of topics of whose members it may not know, and told so. */
  review(client: Client): void {
    const { session } = client;
    const lost: string[] = [];
    for (const [topic, { endWatch }] of this.#stays.get(session) ?? []) {
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
      const own = this.#stays.get(session)?.get(topic)?.info;
      const member = { connectionId: session.id, user, info: own ?? info, joined: clock.now() };
      presence.enter(placeOf(topic), member, this.#isHidden(session, topic));
    }
  }

  #watch(session: Session, topic: Topic): void {
    const { fanOut, presence } = this.#options;
    const stay = this.#stayOf(session, topic);
    stay.endWatch?.();
    // One for each session: they are told from different moments on. Those told alike get the same frames.
    stay.endWatch = presence.watch(placeOf(topic), (change: PresenceChange) => {
      for (const frame of this.#frames.of(change, topic.name, session.encoding)) fanOut.send(session, frame);
    });
  }

  #unwatch(session: Session, topic: Topic): void {
    const stay = this.#stays.get(session)?.get(topic);
    stay?.endWatch?.();
    if (stay !== undefined) stay.endWatch = undefined;
  }

  #isHidden(session: Session, topic: Topic): boolean {
    return this.#stays.get(session)?.get(topic)?.hidden === true;
  }

  #stayOf(session: Session, topic: Topic): Stay {
    const stays = this.#stays.get(session) ?? new Map<Topic, Stay>();
    this.#stays.set(session, stays);
    const stay = stays.get(topic) ?? { hidden: false, info: undefined, farewell: undefined, endWatch: undefined };
    stays.set(topic, stay);
    return stay;
  }
}

function placeOf({ broker, name, vhost }: Topic): TopicAddress {
  return { vhost, broker, topic: name };
}
