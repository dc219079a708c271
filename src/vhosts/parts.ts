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
  /** All that the node has, whether they are served or not. */
  readonly dialects: readonly DialectWithAccess[];
  readonly store: Store;
  readonly leases: Leases;
  readonly clock: Clock;
  readonly hookCounts: HookCounts;
  readonly callerOf: (hooks: NonNullable<VhostSettings["hooks"]>) => HookCaller;
  /** A call to a backend has failed. */
  readonly onHookFailed: (vhost: string, event: HookEvent, failure: Error) => void;
  /** A backend that is asked no longer answers (with why), or does again. */
  readonly onHooks: (vhost: string, failure: Error | undefined) => void;
  /** The keys of a vhost's issuer cannot be fetched. */
  readonly onIssuer: (vhost: string, message: string) => void;
}

/**
 * Makes of a vhost's settings what works by them.
 * @throws CarillonError invalid_argument, failed_precondition (a file that cannot be read), naming the setting
 */
export function createVhostParts(path: string, settings: VhostSettings, context: VhostPartsContext): VhostParts {
  const access = accessOf(path, settings, context);
  const hooks = hooksOf(path, settings, context);
  return {
    authenticator: access.authenticator,
    forDialects: (current) => naming(path, () => createVhostDialects(access, current, context.dialects)),
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
 * Makes the parts of a vhost and ends them: settings that it throws for cannot be used.
 * @throws as {@link createVhostParts}
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

function accessOf(path: string, settings: VhostSettings, context: VhostPartsContext): VhostAccess {
  const { clock, leases, onIssuer, store } = context;
  const onFailure = (message: string): void => onIssuer(path, message);
  return naming(path, () => createVhostAccess(path, settings, { store, leases, clock, onFailure }));
}

/** Faults name the setting within those of the vhost. */
function naming<Made>(path: string, make: () => Made): Made {
  try {
    return make();
  } catch (error) {
    const { code, message } = CarillonError.from(error);
    throw new CarillonError(code, `vhosts.${path}.${message}`, { cause: error });
  }
}

function hooksOf(path: string, { hooks }: VhostSettings, context: VhostPartsContext): Hooks | undefined {
  if (hooks === undefined) return undefined;
  const { callerOf, clock, hookCounts, onHooks } = context;
  return new Hooks({
    settings: hooks,
    caller: callerOf(hooks),
    clock,
    counts: hookCounts,
    onFailed: (event, failure) => context.onHookFailed(path, event, failure),
    onOpened: (failure) => onHooks(path, failure),
    onClosed: () => onHooks(path, undefined),
  });
}
