import type { Action } from "./actions.js";
import type { Principal } from "./principal.js";

/** What a vhost's rules say of a topic. */
export interface AccessRules {
  /** The pattern of the rule; `*` for the vhost's own. */
  readonly match: string;
  /** Whether a topic may be joined without a permission. */
  readonly access: "open" | "private";
  /** Whether who may join may publish. */
  readonly clientPublish: boolean;
  /** Whether there is presence. */
  readonly presence: boolean;
}

export interface AccessRequest {
  readonly action: Action;
  /** For `call`: the event. */
  readonly topic: string;
  readonly principal: Pick<Principal, "user" | "permissions" | "terms">;
  readonly rules: AccessRules;
}

/** The answer, and why. */
export interface Decision {
  readonly allowed: boolean;
  /** A sentence that names the rule or the permission that decided. For operators: it names patterns. */
  readonly reason: string;
}

/** Whether a client may do something. The only place that decides it. */
export function decide(question: AccessRequest): Decision {
  return DECIDERS[question.action](question);
}

const DECIDERS: Readonly<Record<Action, (question: AccessRequest) => Answer>> = {
  join: decideJoin,
  publish: decidePublish,
  call: (question) => byPermission(question) ?? refuse(() => `no permission to call matches ${named(question)}`),
  presence: decidePresence,
};

/** Words are put together only where somebody reads them: publishes are decided one by one. */
class Answer implements Decision {
  readonly #explain: () => string;

  constructor(
    readonly allowed: boolean,
    explain: () => string,
  ) {
    this.#explain = explain;
  }

  get reason(): string {
    return this.#explain();
  }
}

function decideJoin(question: AccessRequest): Answer {
  const { principal, rules } = question;
  const { terms } = principal;
  if (terms?.joins === false) return refuse(() => "the token lets only the backend join it to topics");
  if (terms?.confined === true) {
    return (
      byPermission(question) ??
      refuse(() => `no permission to join matches ${named(question)}, and the token asks for one`)
    );
  }
  if (rules.access === "open") return allow(() => `${ruleOf(question)} opens it to everybody`);
  return (
    byPermission(question) ??
    refuse(() => `${ruleOf(question)} makes it private, and no permission to join matches ${named(question)}`)
  );
}

function decidePublish(question: AccessRequest): Answer {
  const permitted = byPermission(question);
  if (permitted !== undefined) return permitted;
  const { terms } = question.principal;
  if (terms !== undefined) {
    if (terms.sends) return allow(() => "the token lets it publish where it is subscribed");
    return refuse(() => `no permission to publish matches ${named(question)}, and the token asks for one`);
  }
  if (!question.rules.clientPublish) {
    return refuse(
      () => `no permission to publish matches ${named(question)}, and ${ruleOf(question)} does not let clients publish`,
    );
  }
  const join = decideJoin({ ...question, action: "join" });
  return join.allowed
    ? allow(() => `${ruleOf(question)} lets whoever may join it publish, and ${join.reason}`)
    : refuse(() => `no permission to publish matches ${named(question)}, and ${join.reason}`);
}

function decidePresence(question: AccessRequest): Answer {
  if (!question.rules.presence) return refuse(() => `${ruleOf(question)} has no presence`);
  const permitted = byPermission(question);
  if (permitted !== undefined) return permitted;
  const join = decideJoin({ ...question, action: "join" });
  return join.allowed
    ? allow(() => `${ruleOf(question)} has presence for whoever may join, and ${join.reason}`)
    : refuse(() => `no permission for presence matches ${named(question)}, and ${join.reason}`);
}

function byPermission(question: AccessRequest): Answer | undefined {
  const { action, principal, topic } = question;
  const pattern = principal.permissions.grantFor(action, topic);
  if (pattern === undefined) return undefined;
  return allow(() => `the permission ${JSON.stringify(pattern)} of ${who(question)} allows it (${action})`);
}

function allow(explain: () => string): Answer {
  return new Answer(true, explain);
}

function refuse(explain: () => string): Answer {
  return new Answer(false, explain);
}

function ruleOf({ rules }: AccessRequest): string {
  return `the rule ${JSON.stringify(rules.match)}`;
}

function named({ topic }: AccessRequest): string {
  return JSON.stringify(topic);
}

function who({ principal }: AccessRequest): string {
  return principal.user === undefined ? "an anonymous client" : `user ${JSON.stringify(principal.user)}`;
}
