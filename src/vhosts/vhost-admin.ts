import type { BackendAction } from "../access/decide/actions.js";
import type { JsonObject } from "../access/decide/principal.js";

/** Description of a vhost, for operators. */
export interface VhostDescription {
  readonly path: string;
  /** Settings as given, without secrets. */
  readonly settings: JsonObject;
  /** Whether it is defined in the configuration file, and cannot be changed at run time. */
  readonly configured: boolean;
}

/** Description of a key, for operators. Never contains the key itself. */
export interface KeyDescription {
  readonly id: string;
  readonly name: string;
  readonly actions: readonly ("*" | BackendAction)[];
  /** Patterns; empty for all topics. */
  readonly topics: readonly string[];
  /** In milliseconds since the epoch; undefined for a key of the configuration. */
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
 * Manages vhosts, channels and keys. A change is in effect on this node when the method resolves, and on the others within
 * a second. All methods throw CarillonError unavailable when the store cannot be reached, and not_found for an unknown
 * vhost.
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
  /** Deletes a vhost with its keys and channels, and closes its connections on all nodes. @throws CarillonError failed_precondition */
  delete(path: string): Promise<void>;

  /** @returns false when it was already open */
  openChannel(vhost: string, channel: string): Promise<boolean>;
  /** Closes a channel and removes its clients from it on all nodes. @throws CarillonError not_found: not open */
  closeChannel(vhost: string, channel: string): Promise<void>;
  /** Ordered. */
  listChannels(vhost: string): Promise<readonly string[]>;

  /** @throws CarillonError already_exists, invalid_argument */
  createKey(vhost: string, key: NewVhostKey): Promise<{ readonly key: KeyDescription; readonly secret: string }>;
  listKeys(vhost: string): Promise<readonly KeyDescription[]>;
  /** @throws CarillonError not_found, failed_precondition (a configured one) */
  revokeKey(vhost: string, id: string): Promise<void>;
}
