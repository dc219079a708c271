import { vhostPath, z } from "../../config/schema-builder.js";
import { isLoopback } from "../../util/address.js";
import { formatListenUrl, parseListenUrl } from "../../util/listen-url.js";
import { DEFAULT_VHOST } from "../../util/names.js";
import { defineDialect } from "../module.js";
import { looksLikeFrame } from "./frame.js";
import { createRoadRunnerPorts } from "./ports.js";

const listenUrl = z.string().transform((text, context) => {
  const parsed = parseListenUrl(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({
    code: "custom",
    message: "expected tcp://HOST:PORT, such as tcp://127.0.0.1:6002, or unix:///PATH",
  });
  return z.NEVER;
});

const listener = z.strictObject({
  listen: listenUrl.describe(
    "Address: `tcp://HOST:PORT` on loopback, or `unix:///PATH`. Other addresses need `insecure: true`, because callers are not authenticated.",
  ),
  vhost: vhostPath.default(DEFAULT_VHOST).describe("Vhost that callers publish to."),
});

/** Ports for PHP applications that publish by RoadRunner's RPC: one listener, or several. */
const nodeSettings = z
  .union([z.array(listener), listener.transform((only) => [only])], {
    error: "expected listen and vhost, or a list of them",
  })
  .prefault([]);

const NODE_DEFAULTS = `
# Addresses for PHP applications that publish by RoadRunner's RPC (goridge): a TCP port on loopback or a Unix socket, each
# for one vhost. Callers are not authenticated, so other addresses need insecure: true. RoadRunner's default port, 6001, is
# also the default of grpc.
#   roadrunner: { listen: tcp://127.0.0.1:6002, vhost: / }       # or a list: [{ listen: unix:///run/carillon.sock }]
roadrunner: []
`;

export const roadrunner = defineDialect({
  name: "roadrunner",
  serves: "backends",
  settings: { node: nodeSettings, vhost: undefined, defaults: { node: NODE_DEFAULTS } },
  filesOnly: true,
  // The protocol has no keys, so only callers on this machine are admitted.
  *problems(listeners, { insecure }) {
    for (const { listen } of listeners) {
      if (insecure || listen.kind === "unix" || isLoopback(listen.host)) continue;
      yield {
        path: ["listen"],
        message:
          `${formatListenUrl(listen)} is reachable from other machines, but RoadRunner RPC does not authenticate callers. Listen on ` +
          "127.0.0.1 or unix:///PATH, or set insecure: true (--insecure) to let anyone publish",
      };
    }
  },
  // RoadRunner's RPC and gRPC both use port 6001 by default.
  strayFrames: {
    matches: looksLikeFrame,
    advice:
      "received a RoadRunner RPC (goridge) frame, which the gRPC port does not support: set roadrunner.listen, such as " +
      "tcp://127.0.0.1:6002, and connect the PHP application to that address instead",
  },
  create: (listeners, context) => ({ ports: createRoadRunnerPorts(listeners, context) }),
});
