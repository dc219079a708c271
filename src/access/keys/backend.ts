import type { BackendAction } from "../decide/actions.js";
import type { MatcherList } from "../patterns/matcher-list.js";

/** Metadata or header that names the vhost that is meant. */
export const VHOST_HEADER = "carillon-vhost";

/** A backend that calls: known by its key or its certificate, or anybody where no keys are configured. */
export interface Backend {
  /** For logs: the key's or certificate's name. Never a secret. */
  readonly name: string;
  /** Its calls are about this vhost and no other. */
  readonly vhost: string;
  readonly actions: ReadonlySet<BackendAction>;
  /** Patterns of the topics that it may use; none: all of them. */
  readonly topics: readonly string[];
  /** Those of them that are not plain names. */
  readonly matchers: MatcherList;
  mayUse(topic: string): boolean;
}

/** Names a backend on this node, for counting what it holds. */
export function backendId({ name, vhost }: Backend): string {
  return `${vhost} ${name}`;
}

/** How a backend shows who it is. */
export interface BackendCredentials {
  /** The `authorization` header or metadata. */
  readonly authorization: string | undefined;
  /** The subject of its verified client certificate as `CN=…,O=…`, most specific first; undefined for none. */
  readonly certificate: string | undefined;
  /** The `carillon-vhost` header or metadata: which vhost it means; undefined: its own. */
  readonly vhost: string | undefined;
}

/** Finds out which backend calls. */
export interface BackendDirectory {
  /**
   * @throws CarillonError unauthenticated: no key, an unknown or revoked one, or no known certificate
   * @throws CarillonError permission_denied: it is another vhost's
   * @throws CarillonError not_found: no such vhost, where nobody is asked for a key
   */
  identify(credentials: BackendCredentials): Backend;
}
