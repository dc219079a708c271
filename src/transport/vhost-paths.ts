import type { Dialect } from "../dialects/dialect.js";

/** What is spoken on a path. */
export interface Route {
  readonly dialect: Dialect;
  readonly vhost: string;
}

/** Finds what is spoken on a path; undefined where no WebSocket is offered. */
export type RouteFinder = (path: string) => Route | undefined;

/**
 * A dialect on a path of its own for each vhost: at the prefix (`/ws`) for `/`, below it (`/ws/shop/eu`) for `/shop/eu`.
 * @param exists - whether there is such a vhost just now
 */
export function vhostPaths(prefix: string, dialect: Dialect, exists: (vhost: string) => boolean): RouteFinder {
  return (path) => {
    const vhost = vhostBelow(prefix, path);
    return vhost !== undefined && exists(vhost) ? { dialect, vhost } : undefined;
  };
}

/** Names are compared as they are: those of vhosts have no character that a URL must escape. */
function vhostBelow(prefix: string, path: string): string | undefined {
  if (path === prefix) return "/";
  return path.startsWith(`${prefix}/`) && !path.endsWith("/") ? path.slice(prefix.length) : undefined;
}
