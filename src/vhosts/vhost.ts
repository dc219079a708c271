import type { Authenticator } from "../access/authenticators/authenticator.js";
import type { DialectAccess } from "../access/authenticators/dialect-access.js";
import { NO_INFO } from "../access/decide/info.js";
import { Permissions } from "../access/decide/permissions.js";
import { type JsonObject, type Principal, UNAUTHENTICATED } from "../access/decide/principal.js";
import type { Hooks, OnFailure } from "../access/hooks/hooks.js";
import type { MatcherList } from "../access/patterns/matcher-list.js";
import type { TokenIssuer } from "../access/tokens/token-issuer.js";
import type { VhostSettings } from "../config/vhost.js";
import type { HistoryClass } from "../core/history.js";
import type { TopicRules } from "../core/topic-rules.js";
import { createHistoryClasses, type HistoryClasses } from "./history-classes.js";
import { createRuleTable, type RuleTable } from "./rules.js";

/** Services created from a vhost's settings. */
export interface VhostParts {
  readonly authenticator: Authenticator;
  /** Undefined without hooks. */
  readonly hooks: Hooks | undefined;
  /**
   * Creates the parts that depend on dialects' settings. They must be cheap, because every change of the settings creates them
   * anew, even where these parts stay.
   * @throws CarillonError invalid_argument, failed_precondition (a file that cannot be read), naming the setting
   */
  forDialects(settings: VhostSettings): VhostDialects;
  /**
   * Stops background work, such as fetching keys, after new parts have replaced these. Pending hook calls finish first.
   * @param onFailure - returns `on_failure` of the current settings; undefined if they have no hooks
   */
  retire(onFailure: () => OnFailure | undefined): Promise<void>;
  /** Stops everything at once. */
  stop(): void;
}

/** Parts of a vhost that depend on dialects' settings. */
export interface VhostDialects {
  /** Authentication of dialects that have their own, by name. */
  readonly access: ReadonlyMap<string, DialectAccess>;
  readonly issuer: TokenIssuer;
}

/** Parts of a vhost that can change. */
export interface VhostDefinition {
  /** Whether it is defined in the configuration file, and cannot be changed by the control service. */
  readonly configured: boolean;
  readonly settings: VhostSettings;
  readonly rawSettings: JsonObject;
  readonly parts: VhostParts;
  readonly dialects: VhostDialects;
}

/** Determines which topics exist, and their rules. */
export interface TopicAccess {
  rulesFor(topic: string): TopicRules;
  /** Patterns that {@link rulesFor} matches. */
  readonly ruleMatchers: MatcherList;
  exists(topic: string): boolean;
}

/** Parts of a vhost that never change. */
export interface VhostFacts {
  readonly name: string;
  /** Open channels. {@link Vhosts} keeps the set up to date. */
  readonly channels: ReadonlySet<string>;
}

/**
 * Isolated namespace of one application. Its topics, clients, keys and rules are separate from those of other vhosts. The
 * object stays the same while the vhost exists; its contents change with the settings.
 */
export class Vhost {
  readonly name: string;
  /** Channels opened at run time. {@link Vhosts} keeps the set up to date. */
  readonly channels: ReadonlySet<string>;
  #configured: boolean;
  #settings: VhostSettings;
  #rawSettings: JsonObject;
  #parts: VhostParts;
  #dialects: VhostDialects;
  /** Replaced parts whose hook calls have not finished. */
  readonly #retiring = new Set<VhostParts>();
  #historyClasses: HistoryClasses;
  #rules: RuleTable;
  #anonymous: Principal | undefined;

  constructor({ channels, name }: VhostFacts, definition: VhostDefinition) {
    this.name = name;
    this.channels = channels;
    const { configured, dialects, rawSettings, parts, settings } = definition;
    this.#configured = configured;
    this.#rawSettings = rawSettings;
    this.#settings = settings;
    this.#parts = parts;
    this.#dialects = dialects;
    this.#historyClasses = createHistoryClasses(settings);
    this.#rules = createRuleTable(settings, this.channels, this.#historyClasses);
    this.#anonymous = createAnonymousPrincipal(settings);
  }

  /** Whether it is defined in the configuration file, and cannot be changed by the control service. */
  get configured(): boolean {
    return this.#configured;
  }

  /** Settings with secrets. Without defaults for a vhost created at run time. */
  get rawSettings(): JsonObject {
    return this.#rawSettings;
  }

  get settings(): VhostSettings {
    return this.#settings;
  }

  get authenticator(): Authenticator {
    return this.#parts.authenticator;
  }

  /** Returns the authenticator for the vhost's clients of a dialect. */
  authenticatorFor(dialect: string): Authenticator {
    return this.#dialects.access.get(dialect)?.authenticator ?? this.#parts.authenticator;
  }

  get hooks(): Hooks | undefined {
    return this.#parts.hooks;
  }

  /** Issuer of tokens for the vhost's clients. */
  get issuer(): TokenIssuer {
    return this.#dialects.issuer;
  }

  /** Principal of clients without a token; undefined if a token is required. */
  get anonymous(): Principal | undefined {
    return this.#anonymous;
  }

  /** Returns the secret that a dialect's backends send instead of a key. Undefined: such backends are refused. */
  backendTokenFor(dialect: string): string | undefined {
    return this.#dialects.access.get(dialect)?.backendToken;
  }

  /** Returns the principal of a dialect's clients until they authenticate on the connection: anonymous or unauthenticated. */
  tokenlessPrincipalFor(dialect: string): Principal {
    const principal = this.#anonymous ?? UNAUTHENTICATED;
    const { terms } = this.authenticatorFor(dialect);
    return terms === undefined || principal === UNAUTHENTICATED ? principal : { ...principal, terms };
  }

  rulesFor(topic: string): TopicRules {
    return this.#rules.rulesFor(topic);
  }

  /** Patterns that {@link rulesFor} matches. */
  get ruleMatchers(): MatcherList {
    return this.#rules.matchers;
  }

  /** History classes. A class that a change of the settings does not affect stays the same object. */
  get historyClasses(): readonly HistoryClass[] {
    return [...this.#historyClasses.values()];
  }

  /** Finds the classes of topics' histories. Undefined if no topic of the vhost has a history. */
  get history(): RuleTable["history"] {
    return this.#rules.history;
  }

  /** Whether clients can use the topic: with `opened_only`, only open channels exist. */
  exists(topic: string): boolean {
    return !this.#settings.opened_only || this.channels.has(topic);
  }

  /** Current parts, to keep when new settings do not change them. */
  get parts(): VhostParts {
    return this.#parts;
  }

  /**
   * Replaces the settings. Called by {@link Vhosts}, which then applies the new rules to the topics.
   * @returns access to topics before the change
   */
  change({ configured, dialects, rawSettings, parts, settings }: VhostDefinition): TopicAccess {
    const before = this.#parts;
    const { opened_only: openedOnly } = this.#settings;
    const access = {
      rulesFor: this.#rules.rulesFor,
      ruleMatchers: this.#rules.matchers,
      exists: (topic: string) => !openedOnly || this.channels.has(topic),
    };
    this.#configured = configured;
    this.#rawSettings = rawSettings;
    this.#parts = parts;
    this.#dialects = dialects;
    this.#settings = settings;
    this.#historyClasses = createHistoryClasses(settings, this.#historyClasses);
    this.#rules = createRuleTable(settings, this.channels, this.#historyClasses);
    this.#anonymous = createAnonymousPrincipal(settings);
    if (before !== parts) void this.#retire(before);
    return access;
  }

  /** Stops a deleted vhost after its pending hook calls, such as notifications of disconnects. */
  async retire(): Promise<void> {
    await this.#retire(this.#parts);
  }

  /** Resolves when its disconnect hooks have been called, or have failed. */
  async drained(): Promise<void> {
    await Promise.all([this.#parts, ...this.#retiring].map(async ({ hooks }) => hooks?.drained()));
  }

  /** Stops everything at once. */
  stop(): void {
    for (const parts of [this.#parts, ...this.#retiring]) parts.stop();
  }

  async #retire(parts: VhostParts): Promise<void> {
    this.#retiring.add(parts);
    await parts.retire(() => this.#settings.hooks?.on_failure);
    this.#retiring.delete(parts);
  }
}

function createAnonymousPrincipal({ anonymous }: VhostSettings): Principal | undefined {
  if (!anonymous.connect) return undefined;
  return { user: undefined, permissions: Permissions.of(anonymous.permissions), expires: undefined, info: NO_INFO };
}
