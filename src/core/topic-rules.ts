/**
 * What happens to messages for a session whose connection does not take them: it is closed; the oldest that wait are
 * dropped; or only the newest of each topic is kept.
 */
export type SlowConsumerPolicy = "disconnect" | "drop_oldest" | "latest";

/** Who may use a topic, and how its messages are delivered. */
export interface TopicRules {
  /** The pattern that these rules were found by, for explanations. */
  readonly match: string;
  /** Whether every client of the vhost may join, or those with a permission only. */
  readonly access: "open" | "private";
  /** Whether those who may join may publish too. */
  readonly clientPublish: boolean;
  /** Whether it is known who is in the topic. */
  readonly presence: boolean;
  /** Most sessions of this node that may be in the topic. */
  readonly maxSessions: number;
  readonly slowConsumer: SlowConsumerPolicy;
  /** Milliseconds that messages may wait for others to be written with; 0: they leave in the turn that brought them. */
  readonly writeDelay: number;
}

export const DEFAULT_RULES: TopicRules = {
  match: "*",
  access: "open",
  clientPublish: false,
  presence: false,
  maxSessions: Number.POSITIVE_INFINITY,
  slowConsumer: "disconnect",
  writeDelay: 0,
};

/** Finds the rules of a topic. */
export type RulesOf = (vhost: string, topic: string) => TopicRules;
