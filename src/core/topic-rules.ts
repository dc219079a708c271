/**
 * What happens to messages for a session whose connection does not take them: it is closed; the oldest that wait are
 * dropped; or only the newest of each topic is kept.
 */
export type SlowConsumerPolicy = "disconnect" | "drop_oldest" | "latest";

/** How a topic's messages are delivered. */
export interface TopicRules {
  readonly slowConsumer: SlowConsumerPolicy;
  /** Milliseconds that messages may wait for others to be written with; 0: they leave in the turn that brought them. */
  readonly writeDelay: number;
}

export const DEFAULT_RULES: TopicRules = { slowConsumer: "disconnect", writeDelay: 0 };

/** Finds the rules of a topic. */
export type RulesOf = (vhost: string, topic: string) => TopicRules;

/** Rules for the topics that a pattern names: a whole name, or the beginning of names followed by `*`. */
export interface PatternRules extends TopicRules {
  readonly match: string;
}

/** The first pattern that matches decides. */
export function rulesByPattern(vhosts: ReadonlyMap<string, readonly PatternRules[]>): RulesOf {
  return (vhost, topic) => vhosts.get(vhost)?.find(({ match }) => matches(match, topic)) ?? DEFAULT_RULES;
}

function matches(pattern: string, topic: string): boolean {
  return pattern.endsWith("*") ? topic.startsWith(pattern.slice(0, -1)) : topic === pattern;
}
