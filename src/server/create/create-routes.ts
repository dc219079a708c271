import type { Config } from "../../config/schema.js";
import { BroadcasterDialect } from "../../dialects/broadcaster/dialect.js";
import type { DialectName } from "../../dialects/dialect.js";
import { NativeDialect } from "../../dialects/native/dialect.js";
import { RootsocketDialect } from "../../dialects/rootsocket/dialect.js";
import { WebrocketDialect } from "../../dialects/webrocket/dialect.js";
import { anyOf, type RouteFinder, tokenPaths, vhostPaths } from "../../transport/admission/vhost-paths.js";

/** Which dialect is spoken where, of those that the configuration names. Socket.IO has a listener of its own. */
export function createRoutes(config: Config, exists: (vhost: string) => boolean): RouteFinder {
  const { broadcaster, rootsocket, webrocket } = config;
  const finders: Readonly<Record<Exclude<DialectName, "socketio">, () => RouteFinder>> = {
    native: () => vhostPaths("/ws", new NativeDialect(), exists),
    broadcaster: () => vhostPaths(`${broadcaster.base}/websocket`, new BroadcasterDialect(), exists),
    rootsocket: () => tokenPaths(`${rootsocket.base}/ws`, new RootsocketDialect(), exists),
    // Last: it may be mounted at the root, where every path could be a vhost's.
    webrocket: () => vhostPaths(webrocket.mount.replace(/^\/$/, ""), new WebrocketDialect(), exists),
  };
  const spoken = Object.entries(finders).filter(([name]) => config.dialects.some((dialect) => dialect === name));
  return anyOf(spoken.map(([, make]) => make()));
}
