import type { Config } from "../../config/schema.js";
import { pathPrefix, z } from "../../config/schema-builder.js";
import { CarillonError } from "../../errors.js";
import { defineDialect } from "../module.js";
import { tokenPaths } from "../routes.js";
import { RootsocketAuthenticator } from "./authenticator.js";
import { createRootsocketRoutes } from "./backend/routes.js";
import { RootsocketDialect } from "./dialect.js";

/** Fraction of `limits.receiving` that one client without a key may hold. */
const CLIENT_PART = 1 / 4;

const nodeSettings = z
  .strictObject({ base: pathPrefix("/api/v1").describe("Path prefix of RootSocket.") })
  .prefault({})
  .describe("With a `limits.frame` of 1 MiB or more, RootSocket needs a `limits.receiving` of at least 16 MiB.");

const vhostSettings = z
  .strictObject({
    allow_client_send: z
      .boolean()
      .default(false)
      .describe("Let RootSocket clients publish, unless their token says otherwise."),
    allow_channel_subscription: z
      .boolean()
      .default(true)
      .describe("Let RootSocket clients subscribe, unless their token says otherwise."),
    allow_channel_authorization: z
      .boolean()
      .default(true)
      .describe(
        "Require a channel token for every RootSocket subscription, unless the connection token says otherwise.",
      ),
  })
  .prefault({});

const NODE_DEFAULTS = `# Needs limits.receiving of 16MiB or more where limits.frame is 1MiB or more.
rootsocket:
  base: /api/v1
`;

const VHOST_DEFAULTS = `# Rights of RootSocket connections, unless their token says otherwise: to publish, to subscribe, and whether a
# subscription needs a channel token.
rootsocket:
  allow_client_send: false
  allow_channel_subscription: true
  allow_channel_authorization: true
`;

export const rootsocket = defineDialect({
  name: "rootsocket",
  serves: "clients",
  settings: {
    node: nodeSettings,
    vhost: vhostSettings,
    defaults: { node: NODE_DEFAULTS, vhost: VHOST_DEFAULTS },
  },
  hasPage: true,
  createAccess: (settings, { granted, issued }) => ({
    authenticator: new RootsocketAuthenticator(issued, granted),
    tokenSettings: {
      allowClientSend: settings.allow_client_send,
      allowChannelSubscription: settings.allow_channel_subscription,
      allowChannelAuthorization: settings.allow_channel_authorization,
    },
  }),
  check: (_settings, config) => {
    checkFrameSizes(config);
  },
  create: ({ base }, context) => ({
    webSockets: tokenPaths(`${base}/ws`, new RootsocketDialect(), context.clients.exists),
    routes: createRootsocketRoutes({
      ...context,
      base,
      issuerFor: (vhost) => context.vhosts.require(vhost).issuer,
    }),
  }),
});

/**
 * Checks that the largest events fit in the node's budget.
 * @throws CarillonError invalid_argument: such a frame could never be received
 */
function checkFrameSizes({ limits }: Pick<Config, "limits">): void {
  const frameBytes = new RootsocketDialect().frameBytes(limits.frame);
  const least = frameBytes / CLIENT_PART;
  if (limits.receiving >= least) return;
  const text = `limits.receiving: expected at least ${least} bytes, because rootsocket accepts frames of ${frameBytes} bytes`;
  throw new CarillonError("invalid_argument", text);
}
