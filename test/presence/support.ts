import type { Bus } from "../../src/cluster/bus.js";
import type { Clock } from "../../src/core/ports.js";
import { ClusterPresence } from "../../src/presence/cluster-presence.js";
import type { Member, Presence, PresenceChange, TopicAddress } from "../../src/presence/presence.js";
import { systemClock } from "../../src/util/system-clock.js";
import { createMember, type TestMember } from "../cluster/support.js";
import { cleanUp } from "../support/clean-up.js";

export interface PresenceNode extends TestMember {
  readonly presence: ClusterPresence;
  /** Joins the cluster, then starts presence. */
  readonly start: () => Promise<void>;
}

export const PLACE: TopicAddress = { vhost: "/", broker: "memory", topic: "room" };

export function someone(connectionId: string, user = "", info: object | string = {}): Member {
  const text = typeof info === "string" ? info : JSON.stringify(info);
  return { connectionId, user, info: text, joined: 1_732_000_000_123 };
}

/** Creates a node with presence; it is stopped after the test. */
export function createPresence(name: string, bus: Bus, clock: Clock = systemClock): PresenceNode {
  const made = createMember(name, bus, clock);
  const presence = new ClusterPresence({
    cluster: made.member,
    clock,
    endOfTurn: setImmediate,
    onError: (message) => made.errors.push(message),
  });
  cleanUp(() => {
    presence.stop();
  });
  const start = async (): Promise<void> => {
    await made.member.start();
    await presence.start();
  };
  return { ...made, presence, start };
}

export async function startPresence(name: string, bus: Bus, clock: Clock = systemClock): Promise<PresenceNode> {
  const made = createPresence(name, bus, clock);
  await made.start();
  return made;
}

/** Watches a topic, adds up the reported changes, and records contradictions. */
export class Watcher {
  readonly faults: string[] = [];
  /** Reported changes as `+connection` and `-connection`, one list for each report. */
  readonly told: string[][] = [];
  /** Members reported as having left. */
  readonly left: Member[] = [];
  readonly end: () => void;
  readonly #presence: Presence;
  readonly #place: TopicAddress;
  readonly #here: Map<string, Member>;
  #wake: (() => void)[] = [];

  constructor(presence: Presence, place: TopicAddress = PLACE) {
    this.#presence = presence;
    this.#place = place;
    this.end = presence.watch(place, (change) => {
      this.#take(change);
    });
    this.#here = new Map(presence.members(place).map((member) => [member.connectionId, member]));
  }

  /** Members according to the reports so far, by connection id. */
  get here(): Member[] {
    return [...this.#here.values()].toSorted((a, b) => (a.connectionId < b.connectionId ? -1 : 1));
  }

  get count(): number {
    return this.#here.size;
  }

  /** Resolves when the condition holds; it is checked after each change. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
      });
    }
  }

  counts(count: number): Promise<void> {
    return this.until(() => this.count === count);
  }

  has(connectionId: string): Promise<void> {
    return this.until(() => this.#here.has(connectionId));
  }

  /** Returns the reported changes of one connection. */
  toldOf(connectionId: string): string[] {
    return this.told.flat().filter((word) => word.slice(1) === connectionId);
  }

  #take({ count, joined, left }: PresenceChange): void {
    for (const { connectionId } of left) {
      if (!this.#here.delete(connectionId)) this.faults.push(`${connectionId} left, and was not there`);
    }
    for (const member of joined) {
      if (this.#here.has(member.connectionId)) this.faults.push(`${member.connectionId} joined twice`);
      this.#here.set(member.connectionId, member);
    }
    if (joined.length + left.length === 0) this.faults.push("a change of nothing");
    if (count !== this.count) this.faults.push(`said to be ${count}, were ${this.count}`);
    if (count !== this.#presence.count(this.#place)) this.faults.push(`a count of ${count} that is not so`);
    this.left.push(...left);
    this.told.push([...left.map((each) => `-${each.connectionId}`), ...joined.map((each) => `+${each.connectionId}`)]);
    for (const run of this.#wake.splice(0)) run();
  }
}
