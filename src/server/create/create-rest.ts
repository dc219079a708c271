import type { Keyring } from "../../access/keys/keyring.js";
import type { Config } from "../../config/schema.js";
import type { Control } from "../../control/control.js";
import type { Publisher } from "../../core/publisher.js";
import { createBroadcasterRoutes } from "../../dialects/broadcaster/backend/routes.js";
import { rootsocketRoutes } from "../../dialects/rootsocket/backend/routes.js";
import type { OpenRequestLease } from "../../net/byte-budget.js";
import type { Gatekeeper } from "../../rpc/gatekeeper.js";
import type { OnPublished } from "../../rpc/services/publish/broadcast.js";
import type { Handler } from "../../transport/http/http-listener.js";
import type { OriginCheck } from "../../transport/http/origin.js";
import { systemClock } from "../../util/system-clock.js";
import type { Vhosts } from "../../vhosts/vhosts.js";

export interface RestContext {
  readonly keyring: Keyring;
  readonly gatekeeper: Gatekeeper;
  readonly openLease: OpenRequestLease;
  readonly publisher: Publisher;
  readonly control: Control;
  readonly vhosts: Vhosts;
  readonly onPublished: OnPublished;
}

export interface RestRules {
  readonly originAllowed: OriginCheck;
  readonly onFault: (cause: unknown) => void;
}

/** What the backends of the older systems call on the HTTP port, by path. */
export function createRest(config: Config, context: RestContext, rules: RestRules): Map<string, Handler> {
  const { control, gatekeeper: gate, keyring, onPublished, openLease, publisher, vhosts } = context;
  const { broadcaster, dialects, limits, rootsocket } = config;
  return new Map([
    ...(dialects.includes("broadcaster")
      ? createBroadcasterRoutes({
          ...rules,
          base: broadcaster.base,
          keys: keyring,
          gate,
          openLease,
          publisher,
          requestBytes: limits.request,
          onPublished,
        })
      : []),
    ...(dialects.includes("rootsocket")
      ? rootsocketRoutes({
          ...rules,
          base: rootsocket.base,
          gate,
          openLease,
          publisher,
          onPublished,
          control,
          issuerOf: (vhost) => vhosts.require(vhost).issuer,
          clock: systemClock,
        })
      : []),
  ]);
}
