import { createVhostAccess, type VhostAccess } from "../access/authenticators/vhost-access.js";
import type { HookCaller, HookEvent } from "../access/hooks/hook-caller.js";
import type { HookCounts } from "../access/hooks/hook-counts.js";
import { Hooks } from "../access/hooks/hooks.js";
import type { Leases } from "../access/tokens/leases.js";
import type { VhostSettings } from "../config/vhost.js";
import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import type { Store } from "../store/store.js";
import { readAccessToken } from "./access-token.js";
import type { VhostParts } from "./vhost.js";

export interface VhostPartsContext {
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
  checkAccessToken(path, settings);
  const access = accessOf(path, settings, context);
  const hooks = hooksOf(path, settings, context);
  return {
    authenticator: access.authenticator,
    otherAuthenticators: access.others,
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

/** The vhost reads it itself: nothing else is to be made anew for another one. */
function checkAccessToken(path: string, settings: VhostSettings): void {
  naming(path, () => readAccessToken(settings));
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
