import type { Topic } from "./topic.js";

/** Topics that a session enters. */
export interface EnteredTopics {
  /** All topics of the join. */
  readonly all: readonly Topic[];
  /** Topics that the session was not in before. */
  readonly fresh: readonly Topic[];
  /** Exclusive group of the join; undefined for none. */
  readonly group: string | undefined;
}

/** Adds to the frames of one session what no other session may share, such as how far it has come. */
export interface SessionFrames {
  /**
   * Returns the session's frames of messages, one for each. Called in the order in which they are sent.
   * @param topic - undefined for messages for a user or a connection
   * @param frames - shared frames, one for each message
   * @returns undefined where the session gets the shared frames
   */
  personalize(topic: Topic | undefined, frames: readonly Uint8Array[]): readonly Uint8Array[] | undefined;
  /** Returns a frame that must be sent before an answer or notice that is sent now; undefined for none. */
  preceding(): Uint8Array | undefined;
  /** Called in the turn in which the session enters topics, before the join is answered. */
  entering(topics: EnteredTopics): void;
  /** Called after an open session has left a topic. */
  left(topic: Topic): void;
}
