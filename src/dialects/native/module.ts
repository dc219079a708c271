import { defineDialect } from "../module.js";
import { vhostPaths } from "../routes.js";
import { NativeDialect } from "./dialect.js";

export const native = defineDialect({
  name: "native",
  serves: "clients",
  settings: { node: undefined, vhost: undefined, defaults: {} },
  create: (_settings, { clients }) => ({ webSockets: vhostPaths("/ws", new NativeDialect(), clients.exists) }),
});
