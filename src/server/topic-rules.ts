import { type Config, DEFAULT_VHOST } from "../config/schema.js";
import { type PatternRules, type RulesOf, rulesByPattern } from "../core/topic-rules.js";

/** The topic rules of the configuration. */
export function topicRules({ vhosts }: Config): RulesOf {
  return rulesByPattern(new Map([[DEFAULT_VHOST, patternsOf(vhosts[DEFAULT_VHOST])]]));
}

/** The rules of a vhost's topics, what it says of all of them last. */
function patternsOf({ slow_consumer, topics, write_delay }: Config["vhosts"]["/"]): PatternRules[] {
  const everything = { match: "*", slow_consumer, write_delay };
  return [...topics, everything].map((rule) => ({
    match: rule.match,
    slowConsumer: rule.slow_consumer ?? slow_consumer,
    writeDelay: rule.write_delay ?? write_delay,
  }));
}
