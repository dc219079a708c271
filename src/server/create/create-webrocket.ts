import { readFileSync } from "node:fs";
import type { Config } from "../../config/schema.js";
import type { Control } from "../../control/control.js";
import type { Publisher } from "../../core/publisher.js";
import { WebrocketAdmin } from "../../dialects/webrocket/backend/admin.js";
import { WebrocketBackend } from "../../dialects/webrocket/backend/listener.js";
import { CarillonError } from "../../errors.js";
import type { ByteBudget } from "../../net/byte-budget.js";
import type { PortOptions } from "../../net/port-listener.js";
import type { AnswerBudget } from "../../rpc/answer-budget.js";
import type { OnPublished } from "../../rpc/services/publish/broadcast.js";
import { NO_UPGRADES } from "../../transport/admission/refuse.js";
import { loopbackHosts } from "../../transport/http/host.js";
import { HttpListener, type HttpTimes } from "../../transport/http/http-listener.js";
import type { OriginCheck } from "../../transport/http/origin.js";
import { type Address, isLoopback } from "../../util/address.js";
import { systemClock } from "../../util/system-clock.js";
import type { VhostAdmin } from "../../vhosts/vhost-admin.js";
import type { Vhosts } from "../../vhosts/vhosts.js";
import type { Dispatch } from "../../workers/dispatch.js";

export interface WebrocketContext {
  readonly vhosts: Vhosts;
  readonly administration: VhostAdmin;
  readonly publisher: Publisher;
  readonly dispatch: Dispatch;
  readonly control: Pick<Control, "topics">;
  readonly budget: ByteBudget;
  readonly answers: AnswerBudget;
  readonly onPublished: OnPublished;
  readonly onFault: (cause: unknown) => void;
  /** How a port is reached that is at an address. */
  readonly portOf: (address: Address) => PortOptions;
  /** Times of requests on the admin interface. */
  readonly times: Partial<HttpTimes>;
}

/** Where WebRocket's backends come in, for those that have an address. */
export interface WebrocketPorts {
  readonly backend: WebrocketBackend | undefined;
  readonly admin: HttpListener | undefined;
}

/** @throws CarillonError failed_precondition: the file of the cookie cannot be read */
export function createWebrocket({ dialects, limits, webrocket }: Config, context: WebrocketContext): WebrocketPorts {
  const { admin, backend } = dialects.includes("webrocket") ? webrocket : {};
  return {
    backend:
      backend &&
      new WebrocketBackend({
        ...context,
        admin: context.administration,
        port: context.portOf(backend),
        connections: limits.connections,
        packetBytes: limits.frame,
        clock: systemClock,
      }),
    admin: admin && adminListener(admin.listen, readConfiguredCookie(admin), context),
  };
}

/** No page has any business there, whichever its origin. */
const originAllowed: OriginCheck = (origin) => origin === undefined;

function adminListener(address: Address, cookie: string, context: WebrocketContext): HttpListener {
  const { handler } = new WebrocketAdmin({
    ...context,
    admin: context.administration,
    topics: context.control.topics,
    cookie,
  });
  return new HttpListener({
    ...context.portOf(address),
    times: context.times,
    originAllowed,
    hostAllowed: isLoopback(address.host) ? loopbackHosts(originAllowed) : undefined,
    routes: new Map(),
    rpc: { prefixes: ["/"], handler },
    upgrades: NO_UPGRADES,
  });
}

/** @throws CarillonError failed_precondition: the file cannot be read */
export function readConfiguredCookie(admin: NonNullable<Config["webrocket"]["admin"]>): string {
  const { cookie, cookie_file: file } = admin;
  if (cookie !== undefined || file === undefined) return cookie ?? "";
  try {
    return readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw new CarillonError("failed_precondition", `webrocket.admin.cookie_file: ${file} cannot be read`, { cause });
  }
}
