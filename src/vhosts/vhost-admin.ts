import type { BackendAction } from "../access/decide/actions.js";
import type { JsonObject } from "../access/decide/principal.js";

/** A vhost as operators see it. */
export interface VhostDescription {
  readonly path: string;
  /** As they were given, without secrets. */
  readonly settings: JsonObject;
  /** Of the configuration file: it cannot be changed at run time. */
  readonly configured: boolean;
}

/** A key as operators see it: never the key itself. */
export interface KeyDescription {
  readonly id: string;
  readonly name: string;
  readonly actions: readonly ("*" | BackendAction)[];
  /** Patterns; none: all topics. */
  readonly topics: readonly string[];
  /** In milliseconds since the epoch; undefined where it stands in the configuration. */
  readonly created: number | undefined;
  readonly lastUsed: number | undefined;
  readonly configured: boolean;
}

export interface NewVhostKey {
  readonly name: string;
  readonly actions: readonly ("*" | BackendAction)[];
  readonly topics: readonly string[];
}

/**
 * Keeps vhosts, channels and keys. What it changes holds on this node when it has answered, and on the others within a
 * second. All methods throw CarillonError unavailable when the store cannot be reached, and not_found for a vhost that
 * does not exist.
 */
export interface VhostAdmin {
  /** @throws CarillonError already_exists, invalid_argument (the path, the settings) */
  create(path: string, settings: JsonObject): Promise<VhostDescription>;
  /** @throws CarillonError invalid_argument, failed_precondition (a configured one) */
  update(path: string, settings: JsonObject): Promise<VhostDescription>;
  /**
   * Replaces the vhost's settings of one dialect; nothing else of the vhost changes.
   * @throws CarillonError invalid_argument, failed_precondition (a configured one)
   */
  replaceDialectSettings(path: string, dialect: string, settings: JsonObject): Promise<void>;
  get(path: string): Promise<VhostDescription>;
  /** Ordered by path. */
  list(): Promise<readonly VhostDescription[]>;
  /** Ends its connections on all nodes, and takes its keys and channels with it. @throws CarillonError failed_precondition */
  delete(path: string): Promise<void>;

  /** @returns false when it was open already */
  openChannel(vhost: string, channel: string): Promise<boolean>;
  /** Clients that are in it leave it, on all nodes. @throws CarillonError not_found: it was not open */
  closeChannel(vhost: string, channel: string): Promise<void>;
  /** Ordered. */
  listChannels(vhost: string): Promise<readonly string[]>;

  /** @throws CarillonError already_exists, invalid_argument */
  createKey(vhost: string, key: NewVhostKey): Promise<{ readonly key: KeyDescription; readonly secret: string }>;
  listKeys(vhost: string): Promise<readonly KeyDescription[]>;
  /** @throws CarillonError not_found, failed_precondition (a configured one) */
  revokeKey(vhost: string, id: string): Promise<void>;
}
