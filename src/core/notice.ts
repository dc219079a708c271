/** A change that the client did not request: it was joined to topics, removed from them, or no longer receives their presence events. */
export interface Notice {
  readonly kind: "joined" | "left" | "unwatched";
  readonly topics: readonly string[];
}

/** A member of a topic as clients see it. */
export interface Present {
  readonly connectionId: string;
  /** "" for an anonymous client. */
  readonly user: string;
  /** JSON text of an object. */
  readonly info: string;
}

/** A presence event: members that joined and left a topic. */
export interface PresenceUpdate {
  readonly topic: string;
  /** Number of members after the change. */
  readonly count: number;
  readonly joined: readonly Present[];
  readonly left: readonly Present[];
}
