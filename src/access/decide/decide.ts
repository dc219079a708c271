import type { Action } from "./actions.js";
import type { Principal } from "./principal.js";

/** Access rules of a topic. */
export interface AccessRules {
  /** Pattern of the rule; `*` for the vhost's defaults. */
  readonly match: string;
  /** `open`: a client may join without a permission. */
  readonly access: "open" | "private";
  /** Whether every client that may join may also publish. */
  readonly clientPublish: boolean;
  /** Whether the topic has presence. */
  readonly presence: boolean;
  /** Class of the topic's history; undefined for none. */
  readonly history: object | undefined;
}

export interface AccessRequest {
  readonly action: Action;
  /** Name of the topic; for `call`, of the event. */
  readonly topic: string;
  readonly principal: Pick<Principal, "user" | "permissions" | "terms">;
  readonly rules: AccessRules;
}

/** Whether an action is allowed, and why. */
export interface Decision {
  readonly allowed: boolean;
  /** Names the rule or permission that decided. For operators only, because it shows patterns. */
  readonly reason: string;
}

/** Decides whether a client may perform an action. All access decisions are made here. */
export function decide(request: AccessRequest): Decision {
  return DECIDERS[request.action](request);
}

const DECIDERS: Readonly<Record<Action, (request: AccessRequest) => LazyDecision>> = {
  join: decideJoin,
  publish: decidePublish,
  call: (request) => checkPermission(request) ?? refuse(() => `no permission to call matches ${quoteTopic(request)}`),
  presence: decidePresence,
  history: decideHistory,
};

/** Builds the reason only when it is read, because every publish needs a decision and few reasons are read. */
class LazyDecision implements Decision {
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

function decideJoin(request: AccessRequest): LazyDecision {
  const { principal, rules } = request;
  const { terms } = principal;
  if (terms?.mayJoin === false) return refuse(() => "with this token, only the backend may join topics");
  if (terms?.ignoresOpenRules === true) {
    return (
      checkPermission(request) ??
      refuse(() => `no permission to join matches ${quoteTopic(request)}, which the token requires`)
    );
  }
  if (rules.access === "open") return allow(() => `${describeRule(request)} is open`);
  return (
    checkPermission(request) ??
    refuse(() => `${describeRule(request)} makes it private, and no permission to join matches ${quoteTopic(request)}`)
  );
}

function decidePublish(request: AccessRequest): LazyDecision {
  const permitted = checkPermission(request);
  if (permitted !== undefined) return permitted;
  const { terms } = request.principal;
  if (terms !== undefined) {
    if (terms.mayPublishToJoined) return allow(() => "the token allows publishing in subscribed topics");
    return refuse(() => `no permission to publish matches ${quoteTopic(request)}, which the token requires`);
  }
  if (!request.rules.clientPublish) {
    return refuse(
      () =>
        `no permission to publish matches ${quoteTopic(request)}, and ${describeRule(request)} does not let clients publish`,
    );
  }
  const join = decideJoin({ ...request, action: "join" });
  return join.allowed
    ? allow(() => `${describeRule(request)} lets every client that may join publish, and ${join.reason}`)
    : refuse(() => `no permission to publish matches ${quoteTopic(request)}, and ${join.reason}`);
}

function decidePresence(request: AccessRequest): LazyDecision {
  if (!request.rules.presence) return refuse(() => `${describeRule(request)} has no presence`);
  const permitted = checkPermission(request);
  if (permitted !== undefined) return permitted;
  const join = decideJoin({ ...request, action: "join" });
  return join.allowed
    ? allow(() => `${describeRule(request)} shows presence to every client that may join, and ${join.reason}`)
    : refuse(() => `no permission for presence matches ${quoteTopic(request)}, and ${join.reason}`);
}

function decideHistory(request: AccessRequest): LazyDecision {
  if (request.rules.history === undefined) return refuse(() => `${describeRule(request)} has no history`);
  const permitted = checkPermission(request);
  if (permitted !== undefined) return permitted;
  const join = decideJoin({ ...request, action: "join" });
  return join.allowed
    ? allow(() => `${describeRule(request)} shows its history to every client that may join, and ${join.reason}`)
    : refuse(() => `no permission for history matches ${quoteTopic(request)}, and ${join.reason}`);
}

function checkPermission(request: AccessRequest): LazyDecision | undefined {
  const { action, principal, topic } = request;
  const pattern = principal.permissions.grantFor(action, topic);
  if (pattern === undefined) return undefined;
  return allow(() => `the permission ${JSON.stringify(pattern)} of ${describeClient(request)} allows it (${action})`);
}

function allow(explain: () => string): LazyDecision {
  return new LazyDecision(true, explain);
}

function refuse(explain: () => string): LazyDecision {
  return new LazyDecision(false, explain);
}

function describeRule({ rules }: AccessRequest): string {
  return `the rule ${JSON.stringify(rules.match)}`;
}

function quoteTopic({ topic }: AccessRequest): string {
  return JSON.stringify(topic);
}

function describeClient({ principal }: AccessRequest): string {
  return principal.user === undefined ? "an anonymous client" : `user ${JSON.stringify(principal.user)}`;
}
