import type { BackendAction } from "../decide/actions.js";
import type { MatcherList } from "../patterns/matcher-list.js";

/** HTTP header or gRPC metadata key that names the requested vhost. */
export const VHOST_HEADER = "carillon-vhost";

/** A calling backend: identified by its key or certificate, or anonymous where no keys are configured. */
export interface Backend {
  /** Name of the key or certificate, for logs. Never a secret. */
  readonly name: string;
  /** The only vhost that its calls may use. */
  readonly vhost: string;
  readonly actions: ReadonlySet<BackendAction>;
  /** Patterns of the topics that it may use; empty for all. */
  readonly topics: readonly string[];
  /** Patterns that are not plain names. */
  readonly matchers: MatcherList;
  mayUse(topic: string): boolean;
}

/** Returns the id under which this node counts a backend's resources. */
export function backendId({ name, vhost }: Backend): string {
  return `${vhost} ${name}`;
}

/** Credentials of a backend's call. */
export interface BackendCredentials {
  /** `authorization` header or metadata. */
  readonly authorization: string | undefined;
  /** Subject of the verified client certificate as `CN=…,O=…`, most specific first; undefined for none. */
  readonly certificate: string | undefined;
  /** `carillon-vhost` header or metadata; undefined for the backend's own vhost. */
  readonly vhost: string | undefined;
}

/** Identifies calling backends. */
export interface BackendDirectory {
  /**
   * Identifies the backend that made a call.
   * @throws CarillonError unauthenticated: missing, unknown or revoked key, or unknown certificate
   * @throws CarillonError permission_denied: the key or certificate belongs to another vhost
   * @throws CarillonError not_found: unknown vhost, where no key is required
   */
  identify(credentials: BackendCredentials): Backend;
}
