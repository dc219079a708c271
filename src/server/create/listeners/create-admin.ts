import type { Config } from "../../../config/schema.js";
import type { Handler } from "../../../net/http-handler.js";
import type { PortOptions } from "../../../net/port-listener.js";
import { NO_UPGRADES } from "../../../transport/admission/refuse.js";
import { createLoopbackHostCheck } from "../../../transport/http/host.js";
import { HttpListener, type HttpTimes } from "../../../transport/http/http-listener.js";
import type { OriginCheck } from "../../../transport/http/origin.js";
import { type Address, isLoopback } from "../../../util/address.js";

export interface AdminContext {
  /** Handlers by path. */
  readonly operations: ReadonlyMap<string, Handler>;
  readonly createPortOptions: (address: Address) => PortOptions;
  readonly times: Partial<HttpTimes>;
}

/** Refuses requests from web pages of any origin. */
const originAllowed: OriginCheck = (origin) => origin === undefined;

/** Creates the listener for health and metrics; undefined when they are served on the HTTP port. */
export function createAdmin({ admin }: Config, context: AdminContext): HttpListener | undefined {
  const { operations, createPortOptions, times } = context;
  if (admin.listen === undefined) return undefined;
  return new HttpListener({
    ...createPortOptions(admin.listen),
    times,
    originAllowed,
    hostAllowed: isLoopback(admin.listen.host) ? createLoopbackHostCheck(originAllowed) : undefined,
    routes: operations,
    rpc: { prefixes: [], handler: () => {} },
    upgrades: NO_UPGRADES,
  });
}
