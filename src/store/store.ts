/** One value of the store. */
export interface StoreEntry {
  readonly key: string;
  readonly value: string;
  /** Grows with every change of the entry. */
  readonly revision: number;
}

/** What has become of an entry; no value: it is gone. */
export interface StoreChange {
  readonly key: string;
  readonly value: string | undefined;
}

export interface WriteOptions {
  /** When the entry is gone by itself, in milliseconds since the epoch. */
  readonly expires?: number;
}

/**
 * What is made at run time and outlives the process: vhosts, channels, keys, used tokens. Small entries, few writes.
 *
 * Keys are segments of letters, digits, `_`, `-` and `=` between slashes, such as `keys/_/3fa9`, of at most 1,024
 * characters; values have at most 64 KiB in UTF-8. What is not so is invalid_argument. All methods but start and stop
 * throw CarillonError unavailable when the store cannot be reached; nothing is half done then, unless the answer alone
 * was lost. Every driver passes test/contract/store.ts.
 */
export interface Store {
  /** Whether other nodes see the same entries. */
  readonly shared: boolean;
  /** False while the store cannot be reached. */
  readonly up: boolean;

  /** @throws CarillonError failed_precondition when trying again cannot help (unreadable file, no JetStream) */
  start(): Promise<void>;
  stop(): Promise<void>;

  get(key: string): Promise<StoreEntry | undefined>;
  /** Entries whose keys begin so, ordered by key. */
  list(prefix: string): Promise<readonly StoreEntry[]>;
  /**
   * Of several that create the same key at once, on any node, one succeeds.
   * @returns the revision
   * @throws CarillonError already_exists
   */
  create(key: string, value: string, options?: WriteOptions): Promise<number>;
  /**
   * Replaces the entry if it still has this revision.
   * @throws CarillonError failed_precondition: it has changed or is gone
   */
  update(key: string, value: string, revision: number, options?: WriteOptions): Promise<number>;
  /**
   * Removes the entry, if it still has this revision where one is given. That it is gone already is no fault then
   * only when no revision is given.
   * @throws CarillonError failed_precondition: it has changed or is gone
   */
  delete(key: string, revision?: number): Promise<void>;
  /**
   * Calls with every entry that begins so, resolves when all that exist have been told, and goes on with changes, those
   * of this node too, within a second. After an outage it tells what has changed meanwhile.
   * @returns ends it
   */
  watch(prefix: string, onChange: (change: StoreChange) => void): Promise<() => void>;
}
