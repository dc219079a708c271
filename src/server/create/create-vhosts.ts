import type { DialectWithAccess } from "../../access/authenticators/dialect-access.js";
import { readSecretFile } from "../../access/authenticators/vhost-access.js";
import { HookCounts } from "../../access/hooks/hook-counts.js";
import { Keyring } from "../../access/keys/keyring.js";
import { Leases } from "../../access/tokens/leases.js";
import type { CommandContext } from "../../commands/command-context.js";
import { requiresKeys } from "../../config/config-reader.js";
import { memoryHistoryProblem } from "../../config/history.js";
import type { Config, VhostSettings } from "../../config/schema.js";
import { CarillonError } from "../../errors.js";
import type { LimitedLog } from "../../observe/limited-log.js";
import type { Logger } from "../../observe/log.js";
import { HookClient } from "../../outbound/hooks/hook-client.js";
import type { Store } from "../../store/store.js";
import type { Tracing } from "../../tracing/tracing.js";
import { systemClock } from "../../util/system-clock.js";
import { Administration } from "../../vhosts/administration.js";
import { createVhostParts, tryVhostSettings, type VhostPartsContext } from "../../vhosts/parts.js";
import { toScopes } from "../../vhosts/scopes.js";
import type { Vhost } from "../../vhosts/vhost.js";
import { type VhostEvents, Vhosts } from "../../vhosts/vhosts.js";

export interface VhostsContext {
  readonly log: Logger;
  readonly limitedLog: LimitedLog;
  readonly store: Store;
  /** All known dialects, including those that the node does not serve. */
  readonly dialects: readonly DialectWithAccess[];
  /** Undefined if traces are not recorded. */
  readonly tracing?: Tracing | undefined;
  /** Parses the settings of a vhost that is managed at run time. @throws CarillonError invalid_argument with every problem */
  readonly parse: (path: string, rawSettings: object) => VhostSettings;
  readonly events: Pick<
    VhostEvents,
    "onChanged" | "onDeleted" | "onChannelRulesChanged" | "onChannelClosed" | "onHistoryChanged" | "onLoaded"
  >;
}

/** The vhosts, their keys and tokens, and their administration. */
export interface VhostRuntime {
  readonly vhosts: Vhosts;
  readonly keyring: Keyring;
  readonly leases: Leases;
  readonly administration: Administration;
  readonly hookCounts: HookCounts;
}

/** @throws CarillonError invalid_argument, failed_precondition: settings that cannot be used, with their names */
export function createVhosts(config: Config, vhostsContext: VhostsContext): VhostRuntime {
  const { events, limitedLog, log, parse, store } = vhostsContext;
  const context = createPartsContext(vhostsContext);
  const { hookCounts, leases } = context;
  const keyring: Keyring = new Keyring({
    clock: systemClock,
    open: !requiresKeys(config.vhosts),
    hasVhost: (path) => vhosts.get(path) !== undefined,
    loaded: () => vhosts.loaded,
    onUsed: (use) => {
      administration.keyUsed(use).catch((error: unknown) => {
        log.debug({ key: use.id, reason: CarillonError.from(error).message }, "a key's last use could not be stored");
      });
    },
  });
  const vhosts: Vhosts = new Vhosts({
    configured: config.vhosts,
    store,
    keys: keyring,
    clock: systemClock,
    events: {
      ...events,
      onError: (message) => {
        limitedLog.error({}, message, "vhosts");
      },
    },
    parse,
    makeParts: (path, settings) => createVhostParts(path, settings, context),
  });
  const administration = new Administration({
    vhosts,
    store,
    clock: systemClock,
    parse,
    lastUsed: (vhost, id) => keyring.lastUsed(vhost, id),
    check: (path, settings) => {
      checkReferences(config, settings);
      const others = [...vhosts.all].filter(({ name }) => name !== path).map((vhost) => vhost.settings);
      checkHistoryBytes(config, [...others, settings]);
      const { certificates, keys } = toScopes(settings);
      const made = [...vhosts.keysOf(path)].map((record) => ({ ...record, configured: false }));
      keyring.check(path, { keys: [...keys, ...made], certificates });
      tryVhostSettings(path, settings, context);
    },
  });
  return { vhosts, keyring, leases, administration, hookCounts };
}

/**
 * Creates the handlers that apply changes of vhosts to their clients and topics.
 * @param commandContext - called for each change, because the context is created after the vhosts
 */
export function createVhostEvents(
  commandContext: () => Pick<CommandContext, "clients" | "review">,
): Pick<VhostEvents, "onChanged" | "onDeleted" | "onChannelRulesChanged" | "onChannelClosed"> {
  return {
    onChanged: (vhost, before) => commandContext().review.apply(vhost, { channel: undefined, before }),
    onDeleted: ({ name }) => commandContext().clients.disconnectAll(name, "vhost_deleted"),
    onChannelRulesChanged: (vhost, channel, rules) => {
      const before = { exists: () => true, rulesFor: () => rules, ruleMatchers: vhost.ruleMatchers };
      return commandContext().review.apply(vhost, { channel, before });
    },
    onChannelClosed: (vhost, channel) => commandContext().review.apply(vhost, { channel, before: undefined }),
  };
}

/** Creates the dependencies of the vhosts' parts. */
export function createPartsContext({
  dialects,
  limitedLog,
  log,
  store,
  tracing,
}: Pick<VhostsContext, "dialects" | "limitedLog" | "log" | "store" | "tracing">): VhostPartsContext {
  return {
    dialects,
    store,
    leases: new Leases({ store, clock: systemClock }),
    clock: systemClock,
    hookCounts: new HookCounts(),
    createCaller: ({ key, key_file: file, url }) => {
      return new HookClient({
        url,
        key: key ?? readSecretFile("hooks.key_file", file),
        traceCall: tracing && ((name, run) => tracing.call(name, run)),
      });
    },
    onHookFailed: (vhost, hook, { message }) => {
      limitedLog.warn({ vhost, hook, reason: message }, "a call to the backend failed");
    },
    onHooks: (vhost, failure) => {
      if (failure === undefined) log.info({ vhost }, "the backend answers again");
      else limitedLog.warn({ vhost, reason: failure.message }, "the backend keeps failing: calls to it are suspended");
    },
    onIssuer: (vhost, message) => {
      limitedLog.warn({ vhost, reason: message }, "the issuer's keys cannot be fetched");
    },
  };
}

/** Checks references to the rest of the configuration. The schema checks them for vhosts in the configuration only. */
function checkReferences(config: Config, { brokers: named = [], certificates }: VhostSettings): void {
  if (certificates.length > 0 && config.client_certificates === undefined) {
    throw new CarillonError("invalid_argument", "certificates: requires this node's client_certificates");
  }
  const { brokers } = config;
  const unknown = named.find((name) => !Object.hasOwn(brokers, name));
  if (unknown === undefined) return;
  const known = Object.keys(brokers).join(", ");
  throw new CarillonError("invalid_argument", `brokers: unknown broker ${JSON.stringify(unknown)}; known: ${known}`);
}

/** @throws CarillonError resource_exhausted: the memory broker would keep more than the node's limit */
export function checkHistoryBytes({ brokers, limits }: Config, vhosts: readonly VhostSettings[]): void {
  const problem = memoryHistoryProblem(brokers, vhosts, limits.history);
  if (problem !== undefined) throw new CarillonError("resource_exhausted", `history: ${problem}`);
}

/** Counts the open circuit breakers of hooks, by vhost. */
export function countOpenBreakers(vhosts: Iterable<Vhost>): Record<string, number> {
  const open: Record<string, number> = {};
  for (const { hooks, name } of vhosts) if (hooks !== undefined) open[name] = hooks.breakerState === "closed" ? 0 : 1;
  return open;
}
