import type { BackendAction } from "../access/decide/actions.js";
import type { JsonObject } from "../access/decide/principal.js";

/** Description of a vhost, for operators. */
export interface VhostDescription {
  readonly path: string;
  /** Settings without defaults for a vhost created at run time. Secrets are redacted. */
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
 * Manages vhosts, channels and keys. A change is in effect on this node when the method resolves, and on the other nodes
 * within a second. All methods throw CarillonError unavailable when the store cannot be reached, and not_found for an unknown
 * vhost.
 */
export interface VhostAdmin {
  /** Creates a vhost. @throws CarillonError already_exists, invalid_argument (the path or the settings), resource_exhausted */
  create(path: string, settings: JsonObject): Promise<VhostDescription>;
  /**
   * Replaces all settings.
   * @throws CarillonError invalid_argument, resource_exhausted, failed_precondition (a configured vhost, or a concurrent change)
   */
  update(path: string, settings: JsonObject): Promise<VhostDescription>;
  /**
   * Replaces the settings of one dialect, and keeps the others.
   * @throws CarillonError invalid_argument, failed_precondition (a configured vhost)
   */
  replaceDialectSettings(path: string, dialect: string, settings: JsonObject): Promise<void>;
  get(path: string): Promise<VhostDescription>;
  /** Lists vhosts, ordered by path. */
  list(): Promise<readonly VhostDescription[]>;
  /**
   * Deletes a vhost with its keys and channels, and closes its connections on all nodes.
   * @throws CarillonError failed_precondition (a configured vhost)
   */
  delete(path: string): Promise<void>;

  /** Opens a channel. @returns false if it was open. @throws CarillonError invalid_argument, resource_exhausted (the limit) */
  openChannel(vhost: string, channel: string): Promise<boolean>;
  /** Closes a channel and removes its clients from it on all nodes. @throws CarillonError not_found: not open */
  closeChannel(vhost: string, channel: string): Promise<void>;
  /** Lists open channels, ordered by name. */
  listChannels(vhost: string): Promise<readonly string[]>;

  /** Creates a key. @throws CarillonError already_exists, resource_exhausted (a limit of the vhost's keys) */
  createKey(vhost: string, key: NewVhostKey): Promise<{ readonly key: KeyDescription; readonly secret: string }>;
  listKeys(vhost: string): Promise<readonly KeyDescription[]>;
  /** Revokes a key. @throws CarillonError not_found, failed_precondition (a configured key) */
  revokeKey(vhost: string, id: string): Promise<void>;
}
