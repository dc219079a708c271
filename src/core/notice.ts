/**
 * What a client is told that it did not ask for: it was made to join topics, or to leave them, or it is not told any more who
 * comes to and leaves them.
 */
export interface Notice {
  readonly kind: "joined" | "left" | "unwatched";
  readonly topics: readonly string[];
}

/** Somebody who is or was in a topic, as clients are told. */
export interface Present {
  readonly connectionId: string;
  /** "" for an anonymous client. */
  readonly user: string;
  /** JSON text of an object. */
  readonly info: string;
}

/** Who has come to a topic and left it, as clients are told. */
export interface PresenceNews {
  readonly topic: string;
  /** Of all that are there after it. */
  readonly count: number;
  readonly joined: readonly Present[];
  readonly left: readonly Present[];
}
