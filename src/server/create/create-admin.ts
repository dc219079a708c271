import type { Config } from "../../config/schema.js";
import type { Handler } from "../../net/http-handler.js";
import type { PortOptions } from "../../net/port-listener.js";
import { NO_UPGRADES } from "../../transport/admission/refuse.js";
import { loopbackHosts } from "../../transport/http/host.js";
import { HttpListener, type HttpTimes } from "../../transport/http/http-listener.js";
import type { OriginCheck } from "../../transport/http/origin.js";
import { type Address, isLoopback } from "../../util/address.js";

export interface AdminContext {
  /** Handlers by path. */
  readonly operations: ReadonlyMap<string, Handler>;
  readonly portOf: (address: Address) => PortOptions;
  readonly times: Partial<HttpTimes>;
}

/** Pages have no business there, whichever their origin. */
const originAllowed: OriginCheck = (origin) => origin === undefined;

/** The listener for operators alone: health and metrics, and nothing of clients or backends. Undefined where it has no address. */
export function createAdmin({ admin }: Config, context: AdminContext): HttpListener | undefined {
  const { operations, portOf, times } = context;
  if (admin.listen === undefined) return undefined;
  return new HttpListener({
    ...portOf(admin.listen),
    times,
    originAllowed,
    hostAllowed: isLoopback(admin.listen.host) ? loopbackHosts(originAllowed) : undefined,
    routes: operations,
    rpc: { prefixes: [], handler: () => {} },
    upgrades: NO_UPGRADES,
  });
}
