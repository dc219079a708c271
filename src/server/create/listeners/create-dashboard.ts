import type { Keyring } from "../../../access/keys/keyring.js";
import { Dashboard, type DashboardOptions } from "../../../admin/dashboard.js";
import { createDashboardFiles } from "../../../admin/dashboard-files.js";
import type { DashboardSessions } from "../../../admin/dashboard-sessions.js";
import { SignInLimit } from "../../../admin/sign-in-limit.js";
import type { Config } from "../../../config/schema.js";
import type { Handler } from "../../../net/http-handler.js";
import type { LimitedLog } from "../../../observe/limited-log.js";
import type { Logger } from "../../../observe/log.js";
import { systemClock } from "../../../util/system-clock.js";
import { servesThisMachineOnly } from "../../serves-page.js";

export interface DashboardContext extends Pick<DashboardOptions, "addressOf" | "openLease" | "rpc"> {
  readonly keyring: Keyring;
  readonly sessions: DashboardSessions;
  readonly log: Logger;
  readonly limitedLog: LimitedLog;
}

/** Creates the routes of the dashboard; none where it is off. */
export function createDashboard(config: Config, context: DashboardContext): Map<string, Handler> {
  const { admin } = config;
  if (admin.dashboard === "off") return new Map<string, Handler>();
  const { addressOf, keyring, limitedLog, log, openLease, rpc, sessions } = context;
  const { actions, password_hash: passwordHash, session: lifetime } = admin;
  const isOn = admin.dashboard === "on";
  const isOpen = isOn || servesThisMachineOnly(config);
  const access: DashboardOptions["access"] = () => {
    if (passwordHash !== undefined) return "sign-in";
    if (keyring.open) return isOpen ? "open" : "closed";
    return isOn ? "sign-in" : "closed";
  };
  const dashboard = new Dashboard({
    addressOf,
    openLease,
    rpc,
    sessions,
    onEvent: ({ kind, ...fields }) => {
      if (kind === "refused") limitedLog.warn(fields, "sign-in to the dashboard refused");
      else log.info(fields, kind === "action" ? "call by the dashboard" : "signed in to the dashboard");
    },
    limit: new SignInLimit(systemClock),
    keyring,
    passwordHash,
    actions,
    lifetime,
    access,
    files: createDashboardFiles(),
  });
  return dashboard.createRoutes();
}
