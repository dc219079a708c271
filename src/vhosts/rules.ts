import { compilePattern } from "../access/pattern.js";
import type { VhostSettings } from "../config/vhost.js";
import type { TopicRules } from "../core/topic-rules.js";

/**
 * The topic rules of a vhost: the first pattern that matches decides, what the vhost says of all topics comes last. Of what
 * neither says, a channel that was opened has what its kind has, which is in its name.
 * @param channels - that are open
 */
export function rulesOf(settings: VhostSettings, channels: ReadonlySet<string>): (topic: string) => TopicRules {
  const plain = table(settings, {});
  const privately = table(settings, KINDS.private);
  const present = table(settings, KINDS.presence);
  return (topic) => {
    if (!KIND.test(topic) || !channels.has(topic)) return plain(topic);
    return topic.startsWith("presence-") ? present(topic) : privately(topic);
  };
}

type Rule = VhostSettings["topics"][number];

/** What WebRocket's names of channels say. */
const KIND = /^(?:private|presence)-/;
const KINDS = {
  private: { access: "private" },
  presence: { access: "private", presence: true },
} as const satisfies Record<string, Partial<Rule>>;

function table(settings: VhostSettings, kind: Partial<Rule>): (topic: string) => TopicRules {
  const everything = toRules({ ...kind, match: "*" }, settings);
  const rules = settings.topics.map((rule) => ({
    matches: compilePattern(rule.match),
    rule: toRules({ ...kind, ...rule }, settings),
  }));
  return (topic) => rules.find(({ matches }) => matches(topic))?.rule ?? everything;
}

function toRules(rule: Rule, settings: VhostSettings): TopicRules {
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
