import { compilePattern } from "../access/pattern.js";
import type { VhostSettings } from "../config/vhost.js";
import type { TopicRules } from "../core/topic-rules.js";

/** The topic rules of a vhost: the first pattern that matches decides, what the vhost says of all topics comes last. */
export function rulesOf(settings: VhostSettings): (topic: string) => TopicRules {
  const everything = toRules({ match: "*" }, settings);
  const rules = settings.topics.map((rule) => ({ matches: compilePattern(rule.match), rule: toRules(rule, settings) }));
  return (topic) => rules.find(({ matches }) => matches(topic))?.rule ?? everything;
}

function toRules(rule: VhostSettings["topics"][number], settings: VhostSettings): TopicRules {
  return {
    match: rule.match,
    access: rule.access ?? settings.access,
    clientPublish: rule.client_publish ?? settings.client_publish,
    presence: rule.presence ?? settings.presence,
    maxSessions: rule.max_sessions ?? Number.POSITIVE_INFINITY,
    slowConsumer: rule.slow_consumer ?? settings.slow_consumer,
    writeDelay: rule.write_delay ?? settings.write_delay,
  };
}
