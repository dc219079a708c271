/** A topic that has presence. */
export interface TopicAddress {
  readonly vhost: string;
  readonly broker: string;
  readonly topic: string;
}

export type Member = {
  /** Unique in the cluster. */
  readonly connectionId: string;
  /** "" for an anonymous client. */
  readonly user: string;
  /** JSON text of an object. */
  readonly info: string;
  /** In milliseconds since the epoch. */
  readonly joined: number;
};

/** What has changed in a topic since the last time it was told. Who came and went between is in neither. */
export interface PresenceChange {
  readonly joined: readonly Member[];
  /** As they were, with what they said when they left. */
  readonly left: readonly Member[];
  /** Of all that are not hidden, after it. */
  readonly count: number;
}

/** Who is in the topics that have presence, on all nodes. Drivers pass test/contract/presence.ts. */
export interface Presence {
  /**
   * A session of this node is a member from now on. A hidden one is in no list, no count and no change. For one that is a
   * member: as somebody else (another user, other info) or hidden from now on; else nothing changes.
   */
  enter(place: TopicAddress, member: Member, hidden: boolean): void;
  /**
   * Does nothing for one that is none.
   * @param farewell - JSON text of an object: those who watch are told of the member with its info and this, which wins where both say something.
   *   Told once, and kept nowhere: a node that has missed the word of it tells without
   */
  leave(place: TopicAddress, connectionId: string, farewell?: string): void;
  /** Ordered by connection; those of nodes that answer. */
  members(place: TopicAddress): readonly Member[];
  count(place: TopicAddress): number;
  /** Different users; each anonymous client counts as one. */
  users(place: TopicAddress): number;
  /**
   * Told of what changes from now on: at the end of the turn, and where there are more than 100 members not more often than
   * every 100 ms. What is there already can be read in the same turn. Sessions of a node best share one: those that begin
   * to watch while something waits to be told are told another difference each.
   * @returns ends it
   */
  watch(place: TopicAddress, onChange: (change: PresenceChange) => void): () => void;
}
