import { MatcherList } from "../access/patterns/matcher-list.js";
import { compilePattern } from "../access/patterns/pattern.js";
import type { VhostSettings } from "../config/vhost.js";
import type { TopicRules } from "../core/topic-rules.js";

/** Topic rules of a vhost, and the patterns that select them. */
export interface RuleTable {
  readonly matchers: MatcherList;
  readonly rulesFor: (topic: string) => TopicRules;
}

/**
 * Creates the topic rules of a vhost. A setting comes from the first matching rule; otherwise from the channel's kind, for an
 * open channel with the prefix of a kind; otherwise from the vhost.
 * @param channels - open channels; the set may change later
 */
export function createRuleTable(settings: VhostSettings, channels: ReadonlySet<string>): RuleTable {
  const matchers = new MatcherList(settings.topics.map(({ match }) => compilePattern(match)));
  const plain = createKindRules(settings, {});
  const privately = createKindRules(settings, KINDS.private);
  const present = createKindRules(settings, KINDS.presence);
  const kindOf = (topic: string): KindRules => {
    if (!KIND.test(topic) || !channels.has(topic)) return plain;
    return topic.startsWith("presence-") ? present : privately;
  };
  return {
    matchers,
    rulesFor: (topic) => {
      const { rules, standard } = kindOf(topic);
      return rules[matchers.find(topic)] ?? standard;
    },
  };
}

/** Rules for topics of one kind: one for each of the vhost's patterns in order, and `standard` for all other topics. */
interface KindRules {
  readonly rules: readonly TopicRules[];
  readonly standard: TopicRules;
}

type Rule = VhostSettings["topics"][number];

/** Kinds of channels, by the prefixes of their names. Source: X7 of PROTOCOL.md. */
const KIND = /^(?:private|presence)-/;
const KINDS = {
  private: { access: "private" },
  presence: { access: "private", presence: true },
} as const satisfies Record<string, Partial<Rule>>;

function createKindRules(settings: VhostSettings, kind: Partial<Rule>): KindRules {
  return {
    rules: settings.topics.map((rule) => toRules({ ...kind, ...rule }, settings)),
    standard: toRules({ ...kind, match: "*" }, settings),
  };
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
    history: undefined,
  };
}
