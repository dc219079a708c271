import type { Authenticator } from "../access/authenticators/authenticator.js";
import type { DialectAccess } from "../access/authenticators/dialect-access.js";
import { NO_INFO } from "../access/decide/info.js";
import { Permissions } from "../access/decide/permissions.js";
import { type JsonObject, type Principal, UNAUTHENTICATED } from "../access/decide/principal.js";
import type { Hooks, OnFailure } from "../access/hooks/hooks.js";
import type { MatcherList } from "../access/patterns/matcher-list.js";
import type { TokenIssuer } from "../access/tokens/token-issuer.js";
import type { VhostSettings } from "../config/vhost.js";
import type { TopicRules } from "../core/topic-rules.js";
import { createRuleTable, type RuleTable } from "./rules.js";

/** What a vhost's settings have been made into. */
export interface VhostParts {
  readonly authenticator: Authenticator;
  /** Undefined where the backend is not asked. */
  readonly hooks: Hooks | undefined;
  /**
   * Makes what dialects' settings ask for. Cheap: it is made anew at every change, while these parts stay.
   * @throws CarillonError invalid_argument, failed_precondition (a file that cannot be read), naming the setting
   */
  forDialects(settings: VhostSettings): VhostDialects;
  /**
   * Others have come in their place: ends what they keep going, such as the fetching of keys, but lets hooks finish what
   * they have begun.
   * @param onFailure - what those settings say that hold now
   */
  retire(onFailure: () => OnFailure | undefined): Promise<void>;
  /** Ends everything at once. */
  stop(): void;
}

/** Parts of a vhost that depend on the settings of dialects. */
export interface VhostDialects {
  /** By the names of the dialects that have ways of their own into a vhost. */
  readonly access: ReadonlyMap<string, DialectAccess>;
  readonly issuer: TokenIssuer;
}

/** What may change of a vhost. */
export interface VhostDefinition {
  readonly settings: VhostSettings;
  readonly given: JsonObject;
  readonly parts: VhostParts;
  readonly dialects: VhostDialects;
}

/** Which topics there are, and their rules. */
export interface TopicAccess {
  rulesFor(topic: string): TopicRules;
  /** The patterns that {@link rulesFor} asks. */
  readonly ruleMatchers: MatcherList;
  exists(topic: string): boolean;
}

/** What stays the same for as long as it exists. */
export interface VhostFacts {
  readonly name: string;
  readonly configured: boolean;
  /** Shared with whoever keeps it up to date. */
  readonly channels: ReadonlySet<string>;
}

/**
 * One application's world: its topics, clients, keys and rules never meet another's. The object stays the same for as
 * long as the vhost exists; what it holds changes when its settings do.
 */
export class Vhost {
  readonly name: string;
  /** Of the configuration file: it cannot be changed at run time. */
  readonly configured: boolean;
  /** Channels opened at run time; they matter where `opened_only` is on. */
  readonly channels: ReadonlySet<string>;
  #settings: VhostSettings;
  #given: JsonObject;
  #parts: VhostParts;
  #dialects: VhostDialects;
  /** Of settings before, whose hooks have not finished yet. */
  readonly #retiring = new Set<VhostParts>();
  #rules: RuleTable;
  #anonymous: Principal | undefined;

  constructor({ channels, configured, name }: VhostFacts, definition: VhostDefinition) {
    this.name = name;
    this.configured = configured;
    this.channels = channels;
    const { dialects, given, parts, settings } = definition;
    this.#given = given;
    this.#settings = settings;
    this.#parts = parts;
    this.#dialects = dialects;
    this.#rules = createRuleTable(settings, this.channels);
    this.#anonymous = anonymousOf(settings);
  }

  /** The settings as they were given, secrets and all; those of the configuration file complete. */
  get given(): JsonObject {
    return this.#given;
  }

  get settings(): VhostSettings {
    return this.#settings;
  }

  get authenticator(): Authenticator {
    return this.#parts.authenticator;
  }

  /** Authenticates its clients of a dialect. */
  authenticatorFor(dialect: string): Authenticator {
    return this.#dialects.access.get(dialect)?.authenticator ?? this.#parts.authenticator;
  }

  get hooks(): Hooks | undefined {
    return this.#parts.hooks;
  }

  /** Makes tokens for its clients. */
  get issuer(): TokenIssuer {
    return this.#dialects.issuer;
  }

  /** Whom clients without a token act for; undefined where nobody comes in without one. */
  get anonymous(): Principal | undefined {
    return this.#anonymous;
  }

  /** Secret that a dialect's backends show in the place of a key; undefined: they do not get in. */
  backendTokenFor(dialect: string): string | undefined {
    return this.#dialects.access.get(dialect)?.backendToken;
  }

  /** Whom clients of a dialect act for that say inside who they are, until they do. */
  guestFor(dialect: string): Principal {
    const guest = this.#anonymous ?? UNAUTHENTICATED;
    const { terms } = this.authenticatorFor(dialect);
    return terms === undefined || guest === UNAUTHENTICATED ? guest : { ...guest, terms };
  }

  rulesFor(topic: string): TopicRules {
    return this.#rules.rulesFor(topic);
  }

  /** The patterns that {@link rulesFor} asks. */
  get ruleMatchers(): MatcherList {
    return this.#rules.matchers;
  }

  /** Whether clients may join the topic at all. */
  exists(topic: string): boolean {
    return !this.#settings.opened_only || this.channels.has(topic);
  }

  /** What its settings were made into; to be kept where new ones make nothing else of it. */
  get parts(): VhostParts {
    return this.#parts;
  }

  /**
   * Kept by the registry of vhosts, which then gives the topics their new rules.
   * @returns who could be in which topics until now
   */
  change({ dialects, given, parts, settings }: VhostDefinition): TopicAccess {
    const before = this.#parts;
    const { opened_only: openedOnly } = this.#settings;
    const access = {
      rulesFor: this.#rules.rulesFor,
      ruleMatchers: this.#rules.matchers,
      exists: (topic: string) => !openedOnly || this.channels.has(topic),
    };
    this.#given = given;
    this.#parts = parts;
    this.#dialects = dialects;
    this.#settings = settings;
    this.#rules = createRuleTable(settings, this.channels);
    this.#anonymous = anonymousOf(settings);
    if (before !== parts) void this.#retire(before);
    return access;
  }

  /** It is no more: its hooks finish what they have begun, such as telling the backend that its clients have gone. */
  async retire(): Promise<void> {
    await this.#retire(this.#parts);
  }

  /** Resolves when its backends have been told of everybody who has gone, or could not be told. */
  async drained(): Promise<void> {
    await Promise.all([this.#parts, ...this.#retiring].map(async ({ hooks }) => hooks?.drained()));
  }

  /** Ends everything at once. */
  stop(): void {
    for (const parts of [this.#parts, ...this.#retiring]) parts.stop();
  }

  async #retire(parts: VhostParts): Promise<void> {
    this.#retiring.add(parts);
    await parts.retire(() => this.#settings.hooks?.on_failure);
    this.#retiring.delete(parts);
  }
}

function anonymousOf({ anonymous }: VhostSettings): Principal | undefined {
  if (!anonymous.connect) return undefined;
  return { user: undefined, permissions: Permissions.of(anonymous.permissions), expires: undefined, info: NO_INFO };
}
