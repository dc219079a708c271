import { matchSteps } from "../access/patterns/match-steps.js";
import { MatcherList } from "../access/patterns/matcher-list.js";
import { compilePattern } from "../access/patterns/pattern.js";
import { NO_HISTORY_CLASS } from "../config/history.js";
import type { VhostSettings } from "../config/vhost.js";
import type { HistoryFinder } from "../core/history.js";
import type { TopicRules } from "../core/topic-rules.js";
import { isUserTopic } from "../core/user-topic.js";
import type { HistoryClasses } from "./history-classes.js";

/** Topic rules of a vhost, and the patterns that select them. */
export interface RuleTable {
  readonly matchers: MatcherList;
  readonly rulesFor: (topic: string) => TopicRules;
  /** Finds the classes of topics' histories. Undefined if no topic has a history. */
  readonly history: HistoryFinder | undefined;
}

/**
 * Creates the topic rules of a vhost. A setting comes from the first matching rule; otherwise from the channel's kind, for an
 * open channel with the prefix of a kind; otherwise from the vhost.
 * @param channels - open channels; the set may change later
 * @param classes - history classes of the vhost
 */
export function createRuleTable(
  settings: VhostSettings,
  channels: ReadonlySet<string>,
  classes: HistoryClasses,
): RuleTable {
  const matchers = new MatcherList(settings.topics.map(({ match }) => compilePattern(match)));
  const plain = createKindRules(settings, {}, classes);
  const privately = createKindRules(settings, KINDS.private, classes);
  const present = createKindRules(settings, KINDS.presence, classes);
  const kindOf = (topic: string): KindRules => {
    if (!KIND.test(topic) || !channels.has(topic)) return plain;
    return topic.startsWith("presence-") ? present : privately;
  };
  const find = (topic: string): TopicRules => {
    const { rules, standard } = kindOf(topic);
    return rules[matchers.find(topic)] ?? standard;
  };
  // The kind of a channel does not affect its history.
  if ([...plain.rules, plain.standard].every(({ history }) => history === undefined)) {
    return { matchers, rulesFor: find, history: undefined };
  }
  return {
    matchers,
    rulesFor: (topic) => {
      const rules = find(topic);
      return rules.history !== undefined && isUserTopic(topic) ? { ...rules, history: undefined } : rules;
    },
    history: {
      find: (topic) => (isUserTopic(topic) ? undefined : find(topic).history),
      steps: (topic) => matchSteps(matchers.weight, topic),
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

function createKindRules(settings: VhostSettings, kind: Partial<Rule>, classes: HistoryClasses): KindRules {
  return {
    rules: settings.topics.map((rule) => toRules({ ...kind, ...rule }, settings, classes)),
    standard: toRules({ ...kind, match: "*" }, settings, classes),
  };
}

function toRules(rule: Rule, settings: VhostSettings, classes: HistoryClasses): TopicRules {
  return {
    match: rule.match,
    access: rule.access ?? settings.access,
    clientPublish: rule.client_publish ?? settings.client_publish,
    presence: rule.presence ?? settings.presence,
    maxSessions: rule.max_sessions ?? Number.POSITIVE_INFINITY,
    slowConsumer: rule.slow_consumer ?? settings.slow_consumer,
    writeDelay: rule.write_delay ?? settings.write_delay,
    history: classes.get(rule.history ?? settings.default_history ?? NO_HISTORY_CLASS),
  };
}
