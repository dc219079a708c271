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
  /** Time of joining, in milliseconds since the epoch. */
  readonly joined: number;
};

/** Changes in a topic since the last report. A member that joined and left in between is in neither list. */
export interface PresenceChange {
  readonly joined: readonly Member[];
  /** Members as they were, with the data that they sent when they left. */
  readonly left: readonly Member[];
  /** Number of visible members after the change. */
  readonly count: number;
}

/** The members of topics with presence, on all nodes. Drivers pass test/contract/presence.ts. */
export interface Presence {
  /**
   * Makes a session of this node a member, or updates its user, information and visibility. A hidden member is in no list, no
   * count and no change.
   */
  enter(address: TopicAddress, member: Member, hidden: boolean): void;
  /**
   * Ends a membership. Does nothing for a session that is not a member.
   * @param leaveInfo - JSON text of an object, which is merged into the member's information for watchers; its fields win. It is
   *   sent once and not stored, so a node that missed the message reports the leave without it
   */
  leave(address: TopicAddress, connectionId: string, leaveInfo?: string): void;
  /** Lists the members on the nodes that answer, ordered by connection. */
  members(address: TopicAddress): readonly Member[];
  count(address: TopicAddress): number;
  /** Counts distinct users; each anonymous client counts as one. */
  users(address: TopicAddress): number;
  /**
   * Reports changes from now on, at the end of the turn; with more than 100 members, at most every 100 ms. `members`,
   * called right after this, returns the state before the first change.
   * @returns a function that ends the watch
   */
  watch(address: TopicAddress, onChange: (change: PresenceChange) => void): () => void;
}
