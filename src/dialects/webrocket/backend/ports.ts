import type { Control } from "../../../control/control.js";
import { listenAt } from "../../../net/port-listener.js";
import { NO_UPGRADES } from "../../../transport/admission/refuse.js";
import { createLoopbackHostCheck } from "../../../transport/http/host.js";
import { HttpListener } from "../../../transport/http/http-listener.js";
import type { OriginCheck } from "../../../transport/http/origin.js";
import { type Address, isLoopback } from "../../../util/address.js";
import type { DialectContext, DialectPorts } from "../../module.js";
import { readConfiguredCookie, type WebrocketSettings } from "../settings.js";
import { WebrocketAdmin } from "./admin.js";
import { WebrocketBackend } from "./listener.js";

/** Addresses of WebRocket's own ports; undefined for ports that are not configured. */
export interface WebrocketAddresses {
  /** HOST:PORT for backends. */
  readonly webrocketBackend?: string | undefined;
  /** URL of the admin interface. */
  readonly webrocketAdmin?: string | undefined;
}

type WebrocketContext = Pick<
  DialectContext,
  | "administration"
  | "answers"
  | "budget"
  | "clock"
  | "config"
  | "dispatch"
  | "onFault"
  | "onPublished"
  | "createPortOptions"
  | "publisher"
  | "times"
  | "vhosts"
> & { readonly control: Pick<Control, "topics"> };

/** @throws CarillonError failed_precondition, invalid_argument: the cookie cannot be read or is too short */
export function createWebrocketPorts(
  { admin, backend }: WebrocketSettings,
  context: WebrocketContext,
): DialectPorts<WebrocketAddresses> {
  const backendListener = backend && createBackendListener(backend, context);
  const adminListener = admin && createAdminListener(admin.listen, readConfiguredCookie(admin), context);
  const scheme = admin && context.createPortOptions(admin.listen).tls === undefined ? "http" : "https";
  return {
    listen: async () => {
      const backendAddress = await listenAt("webrocket.backend", backend, backendListener);
      const adminAddress = await listenAt("webrocket.admin", admin?.listen, adminListener);
      return { webrocketBackend: backendAddress, webrocketAdmin: adminAddress && `${scheme}://${adminAddress}` };
    },
    close: async () => {
      await Promise.all([adminListener?.close(), backendListener?.close()]);
    },
    terminate: () => {
      adminListener?.terminate();
      backendListener?.terminate();
    },
  };
}

function createBackendListener(address: Address, context: WebrocketContext): WebrocketBackend {
  const { administration, config, createPortOptions } = context;
  return new WebrocketBackend({
    ...context,
    admin: administration,
    port: createPortOptions(address),
    get connections() {
      return config.limits.connections;
    },
    packetBytes: config.limits.frame,
  });
}

/** Refuses all pages. The admin interface is not for browsers. */
const originAllowed: OriginCheck = (origin) => origin === undefined;

function createAdminListener(address: Address, cookie: string, context: WebrocketContext): HttpListener {
  const { administration, control, createPortOptions, times } = context;
  const { handler } = new WebrocketAdmin({ ...context, admin: administration, topics: control.topics, cookie });
  return new HttpListener({
    ...createPortOptions(address),
    times,
    originAllowed,
    hostAllowed: isLoopback(address.host) ? createLoopbackHostCheck(originAllowed) : undefined,
    routes: new Map(),
    rpc: { prefixes: ["/"], handler },
    upgrades: NO_UPGRADES,
  });
}
