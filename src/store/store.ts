/** One value of the store. */
export interface StoreEntry {
  readonly key: string;
  readonly value: string;
  /** Increases with every change of the entry. */
  readonly revision: number;
}

/** A change of an entry. */
export interface StoreChange {
  readonly key: string;
  /** The new value; undefined when the entry was removed or has expired. */
  readonly value: string | undefined;
}

export interface WriteOptions {
  /** Time at which the entry expires, in milliseconds since the epoch. Default: never. */
  readonly expires?: number;
}

/**
 * Storage for run-time state that outlives the process: vhosts, channels, keys, used tokens. Made for small entries and
 * few writes.
 *
 * Keys are segments of letters, digits, `_`, `-` and `=` between slashes, such as `keys/_/3fa9`, of at most 1,024
 * characters; values have at most 64 KiB in UTF-8. Other keys and values are rejected with invalid_argument. All methods
 * but start and stop throw CarillonError unavailable when the store cannot be reached. The call then has had no effect,
 * unless only its answer was lost. Every driver passes test/contract/store.ts.
 */
export interface Store {
  /** Whether other nodes see the same entries. */
  readonly shared: boolean;
  /** False while the store cannot be reached. */
  readonly up: boolean;

  /** @throws CarillonError failed_precondition when a retry cannot help (unreadable file, no JetStream) */
  start(): Promise<void>;
  stop(): Promise<void>;

  get(key: string): Promise<StoreEntry | undefined>;
  /** Returns the entries whose keys begin with the prefix, ordered by key. */
  list(prefix: string): Promise<readonly StoreEntry[]>;
  /**
   * Creates an entry. When several callers create the same key at once, on any nodes, exactly one succeeds.
   * @returns the revision
   * @throws CarillonError already_exists
   */
  create(key: string, value: string, options?: WriteOptions): Promise<number>;
  /**
   * Replaces the entry if it still has this revision.
   * @returns the new revision
   * @throws CarillonError failed_precondition when it has changed or is gone
   */
  update(key: string, value: string, revision: number, options?: WriteOptions): Promise<number>;
  /**
   * Removes the entry. With a revision, removes it only if it still has that revision. Without one, a missing entry is
   * not an error.
   * @throws CarillonError failed_precondition when a revision is given and the entry has changed or is gone
   */
  delete(key: string, revision?: number): Promise<void>;
  /**
   * Calls `onChange` for every entry whose key begins with the prefix, then resolves. From then on calls it for every
   * change, on this node or another, within a second. After an outage, calls it for the changes during the outage.
   * @returns a function that ends the watch
   */
  watch(prefix: string, onChange: (change: StoreChange) => void): Promise<() => void>;
}
