import { defineDialect } from "../module.js";
import { vhostPaths } from "../routes.js";
import { readAccessToken, WebrocketAuthenticator } from "./access.js";
import { createWebrocketPorts } from "./backend/ports.js";
import { COOKIE_VARIABLE } from "./commands/admin-client.js";
import { webrocketCommand } from "./commands/command.js";
import { WebrocketDialect } from "./dialect.js";
import { readConfiguredCookie, webrocketSettings } from "./settings.js";

export const webrocket = defineDialect({
  name: "webrocket",
  serves: "clients",
  settings: webrocketSettings,
  variables: [COOKIE_VARIABLE],
  hasPage: true,
  createAccess: (settings, { authenticator }) => {
    const backendToken = readAccessToken(settings);
    return backendToken === undefined ? {} : { authenticator: new WebrocketAuthenticator(authenticator), backendToken };
  },
  check: ({ admin }) => {
    if (admin !== undefined) readConfiguredCookie(admin);
  },
  create: (settings, context) => ({
    webSockets: vhostPaths(settings.mount.replace(/^\/$/, ""), new WebrocketDialect(), context.clients.exists),
    ports: createWebrocketPorts(settings, context),
  }),
  command: webrocketCommand,
});
