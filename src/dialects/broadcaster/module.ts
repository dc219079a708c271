import { readSecretSetting, withSettingsOf } from "../../access/authenticators/vhost-access.js";
import { atMostOne, pathPrefix, secret, z } from "../../config/schema-builder.js";
import { defineDialect } from "../module.js";
import { vhostPaths } from "../routes.js";
import { BroadcasterAuthenticator } from "./authenticator.js";
import { createBroadcasterRoutes } from "./backend/routes.js";
import { BroadcasterDialect } from "./dialect.js";

const oneSecret = atMostOne("secret", "secret_file");

const nodeSettings = z
  .strictObject({ base: pathPrefix("/broadcaster").describe("Path prefix of Broadcaster.") })
  .prefault({});

const vhostSettings = z
  .strictObject({
    secret: secret(
      z
        .string()
        .min(1)
        .optional()
        .describe("HS256 secret of Broadcaster tokens. Without one no Broadcaster client can authenticate."),
    ),
    secret_file: z.string().optional().describe("File with that secret. Excludes `secret`."),
  })
  .refine(oneSecret.check, { message: oneSecret.message })
  .prefault({});

const VHOST_DEFAULTS = `# HS256 secret of Broadcaster's tokens. Without one no Broadcaster client can authenticate.
#   broadcaster: { secret_file: … }   # or secret
broadcaster: {}
`;

export const broadcaster = defineDialect({
  name: "broadcaster",
  serves: "clients",
  settings: {
    node: nodeSettings,
    vhost: vhostSettings,
    defaults: { node: "broadcaster:\n  base: /broadcaster\n", vhost: VHOST_DEFAULTS },
  },
  hasPage: true,
  createAccess: (settings, { clock }) => ({
    authenticator: withSettingsOf(
      "broadcaster",
      settings,
      () => new BroadcasterAuthenticator(readSecretSetting("broadcaster", settings), clock),
    ),
  }),
  create: ({ base }, context) => ({
    webSockets: vhostPaths(`${base}/websocket`, new BroadcasterDialect(), context.clients.exists),
    routes: createBroadcasterRoutes({
      ...context,
      base,
      keys: context.keyring,
      requestBytes: context.config.limits.request,
    }),
  }),
});
