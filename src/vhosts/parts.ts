import { Hooks } from "../access/hooks.js";
import type { HookCaller } from "../access/hooks-caller.js";
import type { HookCounts } from "../access/hooks-counts.js";
import type { Leases } from "../access/leases.js";
import { createVhostAccess, type VhostAccess } from "../access/settings.js";
import type { VhostSettings } from "../config/vhost.js";
import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import type { Store } from "../store/store.js";
import type { VhostParts } from "./vhost.js";

export interface PartsContext {
  readonly store: Store;
  readonly leases: Leases;
  readonly clock: Clock;
  readonly hookCounts: HookCounts;
  readonly callerOf: (hooks: NonNullable<VhostSettings["hooks"]>) => HookCaller;
  /** A backend that is asked no longer answers (with why), or does again. */
  readonly onHooks: (vhost: string, failure: Error | undefined) => void;
  /** The keys of a vhost's issuer cannot be fetched. */
  readonly onIssuer: (vhost: string, message: string) => void;
}

/**
 * Makes of a vhost's settings what works by them.
 * @throws CarillonError invalid_argument, failed_precondition (a file that cannot be read), naming the setting
 */
export function makeParts(path: string, settings: VhostSettings, context: PartsContext): VhostParts {
  const access = accessOf(path, settings, context);
  const hooks = hooksOf(path, settings, context);
  return {
    authenticator: access.authenticator,
    issuer: access.issuer,
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

function accessOf(path: string, settings: VhostSettings, context: PartsContext): VhostAccess {
  const { clock, leases, onIssuer, store } = context;
  try {
    return createVhostAccess(path, settings, {
      store,
      leases,
      clock,
      onFailure: (message) => onIssuer(path, message),
    });
  } catch (error) {
    const { code, message } = CarillonError.from(error);
    throw new CarillonError(code, `vhosts.${path}.${message}`, { cause: error });
  }
}

function hooksOf(path: string, { hooks }: VhostSettings, context: PartsContext): Hooks | undefined {
  if (hooks === undefined) return undefined;
  const { callerOf, clock, hookCounts, onHooks } = context;
  return new Hooks({
    settings: hooks,
    caller: callerOf(hooks),
    clock,
    counts: hookCounts,
    onOpened: (failure) => onHooks(path, failure),
    onClosed: () => onHooks(path, undefined),
  });
}
