import { readJwt, tokenRefusal } from "../access/jwt/jwt-text.js";
import type { Dialect } from "./dialect.js";

/** Dialect and vhost of a path. */
export interface WebSocketRoute {
  readonly dialect: Dialect;
  readonly vhost: string;
  /** Token in the path, and the path without it, for logs. */
  readonly inPath?: { readonly token: string; readonly shown: string };
}

/**
 * Finds the route of a path; undefined for paths without WebSockets.
 * @throws CarillonError unauthenticated: the path holds no token that could be one of a vhost's
 */
export type RouteFinder = (path: string) => WebSocketRoute | undefined;

/** Joins finders; the first that knows a path has it. */
export function joinRoutes(finders: readonly RouteFinder[]): RouteFinder {
  return (path) => {
    for (const find of finders) {
      const route = find(path);
      if (route !== undefined) return route;
    }
    return undefined;
  };
}

/**
 * A dialect on a path of its own for each vhost: at the prefix (`/ws`) for `/`, below it (`/ws/shop/eu`) for `/shop/eu`.
 * @param prefix - "" for the root
 * @param exists - whether there is such a vhost just now
 */
export function vhostPaths(prefix: string, dialect: Dialect, exists: (vhost: string) => boolean): RouteFinder {
  return (path) => {
    const vhost = vhostBelow(prefix, path);
    return vhost !== undefined && exists(vhost) ? { dialect, vhost } : undefined;
  };
}

/**
 * A dialect whose paths hold a connection token, `/api/v1/ws/TOKEN/`, which names its vhost. Whether it is one is found out
 * where it is presented.
 */
export function tokenPaths(prefix: string, dialect: Dialect, exists: (vhost: string) => boolean): RouteFinder {
  return (path) => {
    if (!path.startsWith(`${prefix}/`)) return undefined;
    const token = path.slice(prefix.length + 1).replace(/\/$/, "");
    if (token === "" || token.includes("/")) return undefined;
    const vhost = readJwt(token).claims["applicationIdentifier"];
    if (typeof vhost !== "string" || !exists(vhost)) throw tokenRefusal("unknown vhost");
    return { dialect, vhost, inPath: { token, shown: `${prefix}/` } };
  };
}

/** Vhost of a path below a prefix. Vhosts' names have no characters that a URL must escape. */
function vhostBelow(prefix: string, path: string): string | undefined {
  if (path === (prefix || "/")) return "/";
  return path.startsWith(`${prefix}/`) && !path.endsWith("/") ? path.slice(prefix.length) : undefined;
}
