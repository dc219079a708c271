import type { HistoryClass } from "./history.js";

/**
 * Policy for a session whose connection does not accept its messages: close it, drop the oldest waiting messages, or keep
 * only the newest message of each topic.
 */
export type SlowConsumerPolicy = "disconnect" | "drop_oldest" | "latest";

/** Numbers of messages that slow sessions did not receive, by the policy that dropped them. */
export type Drops = Record<SlowConsumerPolicy, number>;

/** Access rules of a topic, and how its messages are delivered. */
export interface TopicRules {
  /** Pattern that selected these rules, for explanations. */
  readonly match: string;
  /** Whether every client of the vhost may join, or only clients with a permission. */
  readonly access: "open" | "private";
  /** Whether clients that may join may also publish. */
  readonly clientPublish: boolean;
  /** Whether the topic has presence. */
  readonly presence: boolean;
  /** Maximum number of sessions of this node in the topic. */
  readonly maxSessions: number;
  readonly slowConsumer: SlowConsumerPolicy;
  /** Milliseconds for which messages may gather before they are written; 0: they are written in the turn they arrive. */
  readonly writeDelay: number;
  /** Class of the topic's history; undefined for none. */
  readonly history: HistoryClass | undefined;
}

export const DEFAULT_RULES: TopicRules = {
  match: "*",
  access: "open",
  clientPublish: false,
  presence: false,
  maxSessions: Number.POSITIVE_INFINITY,
  slowConsumer: "disconnect",
  writeDelay: 0,
  history: undefined,
};

/** Finds the rules of a topic. */
export type RulesOf = (vhost: string, topic: string) => TopicRules;
