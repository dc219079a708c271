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
 * @throws CarillonError unauthenticated: the token in the path is malformed or names an unknown vhost
 */
export type RouteFinder = (path: string) => WebSocketRoute | undefined;

/** Combines finders. The first one that knows a path determines its route. */
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
 * Creates a finder for a dialect with one path for each vhost: the prefix (`/ws`) for `/`, and a path below it
 * (`/ws/shop/eu`) for `/shop/eu`.
 * @param prefix - "" for the root
 * @param exists - returns whether a vhost exists now
 */
export function vhostPaths(prefix: string, dialect: Dialect, exists: (vhost: string) => boolean): RouteFinder {
  return (path) => {
    const vhost = vhostBelow(prefix, path);
    return vhost !== undefined && exists(vhost) ? { dialect, vhost } : undefined;
  };
}

/**
 * Creates a finder for a dialect whose paths contain a connection token, such as `/api/v1/ws/TOKEN/`. The token names its
 * vhost. It is verified later, at admission.
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

/** Returns the vhost of a path below a prefix. Names of vhosts have no characters that a URL must escape. */
function vhostBelow(prefix: string, path: string): string | undefined {
  if (path === (prefix || "/")) return "/";
  return path.startsWith(`${prefix}/`) && !path.endsWith("/") ? path.slice(prefix.length) : undefined;
}
