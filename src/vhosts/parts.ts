import type { DialectWithAccess } from "../access/authenticators/dialect-access.js";
import { createVhostAccess, type VhostAccess } from "../access/authenticators/vhost-access.js";
import type { HookCaller, HookEvent } from "../access/hooks/hook-caller.js";
import type { HookCounts } from "../access/hooks/hook-counts.js";
import { Hooks } from "../access/hooks/hooks.js";
import type { Leases } from "../access/tokens/leases.js";
import { readSettings } from "../config/dialect-settings.js";
import type { VhostSettings } from "../config/vhost.js";
import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import type { Store } from "../store/store.js";
import type { VhostDialects, VhostParts } from "./vhost.js";

export interface VhostPartsContext {
  /** All dialects of the node, whether served or not. */
  readonly dialects: readonly DialectWithAccess[];
  readonly store: Store;
  readonly leases: Leases;
  readonly clock: Clock;
  readonly hookCounts: HookCounts;
  readonly createCaller: (hooks: NonNullable<VhostSettings["hooks"]>) => HookCaller;
  /** Called when a call to a backend has failed. */
  readonly onHookFailed: (vhost: string, event: HookEvent, failure: Error) => void;
  /** Called with the failure when a hook's backend no longer answers, and with undefined when it answers again. */
  readonly onHooks: (vhost: string, failure: Error | undefined) => void;
  /** Called when the keys of a vhost's issuer cannot be fetched. */
  readonly onIssuer: (vhost: string, message: string) => void;
}

/**
 * Creates the services of a vhost from its settings.
 * @throws CarillonError invalid_argument, failed_precondition (a file that cannot be read), naming the setting
 */
export function createVhostParts(path: string, settings: VhostSettings, context: VhostPartsContext): VhostParts {
  const access = createAccess(path, settings, context);
  const hooks = createHooks(path, settings, context);
  return {
    authenticator: access.authenticator,
    forDialects: (current) => withSettingsPath(path, () => createVhostDialects(access, current, context.dialects)),
    hooks,
    retire: async (onFailure) => {
      access.stop();
      await hooks?.retire(onFailure);
    },
    stop: () => {
      access.stop();
      hooks?.stop();
    },
  };
}

/**
 * Checks settings by creating the parts of a vhost, and stops the parts at once.
 * @throws as {@link createVhostParts} does
 */
export function tryVhostSettings(path: string, settings: VhostSettings, context: VhostPartsContext): void {
  const parts = createVhostParts(path, settings, context);
  try {
    parts.forDialects(settings);
  } finally {
    parts.stop();
  }
}

function createVhostDialects(
  access: VhostAccess,
  settings: VhostSettings,
  dialects: readonly DialectWithAccess[],
): VhostDialects {
  const byName = new Map(
    dialects.flatMap((dialect) => {
      const made = dialect.createAccess?.(readSettings(settings, dialect.name), access);
      return made === undefined ? [] : [[dialect.name, made] as const];
    }),
  );
  const tokenSettings = [...byName.values()].map((made) => made.tokenSettings).find((found) => found !== undefined);
  return { access: byName, issuer: access.createIssuer(tokenSettings) };
}

function createAccess(path: string, settings: VhostSettings, context: VhostPartsContext): VhostAccess {
  const { clock, leases, onIssuer, store } = context;
  const onFailure = (message: string): void => onIssuer(path, message);
  return withSettingsPath(path, () => createVhostAccess(path, settings, { store, leases, clock, onFailure }));
}

/** Runs a function, and prefixes its errors with the path of the vhost's settings. */
function withSettingsPath<Made>(path: string, make: () => Made): Made {
  try {
    return make();
  } catch (error) {
    const { code, message } = CarillonError.from(error);
    throw new CarillonError(code, `vhosts.${path}.${message}`, { cause: error });
  }
}

function createHooks(path: string, { hooks }: VhostSettings, context: VhostPartsContext): Hooks | undefined {
  if (hooks === undefined) return undefined;
  const { clock, createCaller, hookCounts, onHooks } = context;
  return new Hooks({
    settings: hooks,
    caller: withSettingsPath(path, () => createCaller(hooks)),
    clock,
    counts: hookCounts,
    onFailed: (event, failure) => context.onHookFailed(path, event, failure),
    onOpened: (failure) => onHooks(path, failure),
    onClosed: () => onHooks(path, undefined),
  });
}
