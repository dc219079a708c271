import { isDeepStrictEqual } from "node:util";
import type { JsonObject } from "../access/decide/principal.js";
import type { Scopes } from "../access/keys/keyring.js";
import type { VhostSettings } from "../config/vhost.js";
import type { Clock } from "../core/ports.js";
import type { TopicRules } from "../core/topic-rules.js";
import { CarillonError } from "../errors.js";
import type { Store, StoreChange } from "../store/store.js";
import { ConfiguredVhosts, hasSameParts, type PreparedVhosts } from "./configured-vhosts.js";
import { RecordFeed } from "./record-feed.js";
import {
  CHANNELS,
  decodeRecord,
  GUARDED,
  KEYS,
  type KeyRecord,
  parseKeyRecord,
  parseVhostRecord,
  readRecordKey,
  unreadable,
  VHOSTS,
  type VhostRecord,
} from "./records.js";
import { toScopes } from "./scopes.js";
import { type TopicAccess, Vhost, type VhostDefinition, type VhostParts } from "./vhost.js";

/** Registry of the keys of all vhosts. */
export interface KeyDirectory {
  /** Replaces all keys and certificates of a vhost. */
  replace(vhost: string, scopes: Scopes): void;
  /** Replaces those of several vhosts at once; undefined removes them. @throws CarillonError; nothing changes */
  replaceEach(scopes: ReadonlyMap<string, Scopes | undefined>): void;
  remove(vhost: string): void;
  /** Requires a key from now on, even when no key is left. */
  close(): void;
}

export interface VhostEvents {
  /**
   * Called after a change of settings. Resolves when the change has been applied to all clients of this node. Never rejects.
   * The methods for channels do the same.
   * @param before - access to topics before the change
   */
  onChanged(vhost: Vhost, before: TopicAccess): Promise<void>;
  /** Disconnects the clients of a deleted vhost. Resolves when all connections have ended. */
  onDeleted(vhost: Vhost): Promise<void>;
  /** Called when opening a channel has changed its rules, because of its kind. @param before - rules before the change */
  onChannelRulesChanged(vhost: Vhost, channel: string, before: TopicRules): Promise<void>;
  onChannelClosed(vhost: Vhost, channel: string): Promise<void>;
  /** Called when the history classes of a vhost, or its brokers, may have changed: it was created, changed or deleted. */
  onHistoryChanged(vhost: string): void;
  onError(message: string): void;
  /** Called when the store has been read. */
  onLoaded(): void;
}

export interface VhostsOptions {
  readonly configured: Readonly<Record<string, VhostSettings>>;
  readonly store: Store;
  readonly keys: KeyDirectory;
  readonly clock: Clock;
  readonly events: VhostEvents;
  /** @throws CarillonError invalid_argument, with every problem */
  readonly parse: (path: string, rawSettings: JsonObject) => VhostSettings;
  /** @throws CarillonError invalid_argument: unusable settings */
  readonly makeParts: (path: string, settings: VhostSettings) => VhostParts;
}

/** Registry of this node's vhosts: those of the configuration file, and those in the store. */
export class Vhosts {
  readonly #options: VhostsOptions;
  readonly #vhosts = new Map<string, Vhost>();
  /** Deleted vhosts with connected clients or pending disconnect hooks. */
  readonly #deleted = new Set<Vhost>();
  /** Keys created at run time, by vhost and id. Their vhost may still be unknown, because entries arrive in any order. */
  readonly #keys = new Map<string, Map<string, KeyRecord>>();
  readonly #channels = new Map<string, Set<string>>();
  /** Records of vhosts created at run time. */
  readonly #records = new Map<string, VhostRecord>();
  readonly #feed: RecordFeed;
  /** Resolves when a vhost's latest change has been applied to the clients of this node; by vhost. */
  readonly #applied = new Map<string, Promise<void>>();
  /** Records of the store, by path, including those that a vhost of the configuration hides. */
  readonly #stored = new Map<string, StoreChange>();
  readonly #configured: ConfiguredVhosts;
  #loaded = false;

  /** @throws CarillonError invalid_argument, failed_precondition: unusable settings in the configuration */
  constructor(options: VhostsOptions) {
    this.#options = options;
    this.#feed = new RecordFeed({
      store: options.store,
      clock: options.clock,
      handlers: new Map([
        [VHOSTS, this.#applyVhost],
        [KEYS, this.#applyKey],
        [CHANNELS, this.#applyChannel],
      ]),
      onRead: () => this.#onRead(),
      onError: (message) => {
        options.events.onError(message);
      },
    });
    this.#configured = new ConfiguredVhosts(options.makeParts);
    const { accept, definitions } = this.#configured.prepare(options.configured, () => undefined);
    for (const [path, definition] of definitions) {
      this.#add(path, definition);
      this.#showKeys(path);
    }
    accept();
  }

  get(path: string): Vhost | undefined {
    return this.#vhosts.get(path);
  }

  /** @throws CarillonError not_found */
  require(path: string): Vhost {
    const vhost = this.#vhosts.get(path);
    if (vhost === undefined) throw new CarillonError("not_found", `unknown vhost ${JSON.stringify(path)}`);
    return vhost;
  }

  get all(): Iterable<Vhost> {
    return this.#vhosts.values();
  }

  /** False until the store has been read: vhosts and keys that are not found may still exist. */
  get loaded(): boolean {
    return this.#loaded;
  }

  /** Keys of a vhost created at run time. */
  keysOf(path: string): Iterable<KeyRecord> {
    return this.#keys.get(path)?.values() ?? [];
  }

  /** Reads the store and follows its changes. Retries while the store is unreachable. */
  start(): Promise<void> {
    return this.#feed.start();
  }

  /** Resolves when all disconnect hooks have been called, or have failed. */
  async drained(): Promise<void> {
    await Promise.all([...this.#vhosts.values(), ...this.#deleted].map((vhost) => vhost.drained()));
  }

  stop(): void {
    this.#feed.stop();
    for (const vhost of [...this.#vhosts.values(), ...this.#deleted]) vhost.stop();
  }

  /**
   * Writes a change to the store and applies it here. Resolves when it has been applied to the clients of this node.
   * @throws the errors of `write`
   */
  async change<Written>(change: StoreChange, write: () => Promise<Written>): Promise<Written> {
    const { path } = readRecordKey(change.key);
    const before = this.#applied.get(path);
    const written = await this.#feed.change(change, write);
    const applied = this.#applied.get(path);
    // An unchanged promise means that the change affects no client.
    if (applied !== before) await applied;
    return written;
  }

  /**
   * Prepares other settings of the configuration file, and reads the files that they name again.
   * @throws CarillonError invalid_argument, failed_precondition: unusable settings; nothing changes
   */
  prepare(configured: Readonly<Record<string, VhostSettings>>): PreparedVhosts {
    const { accept, cancel, changedFiles, definitions } = this.#configured.prepare(configured, (path) =>
      this.get(path),
    );
    const isRemoved = (vhost: Vhost): boolean => vhost.configured && !Object.hasOwn(configured, vhost.name);
    const commit = (): Promise<unknown> => {
      this.#commit(
        definitions,
        [...this.#vhosts.values()].filter(isRemoved).map(({ name }) => name),
      );
      accept();
      return Promise.all([...definitions.keys()].flatMap((path) => this.#applied.get(path) ?? []));
    };
    return { changedFiles, commit, cancel };
  }

  /** @throws CarillonError already_exists: a key of another vhost; nothing changes */
  #commit(changes: ReadonlyMap<string, VhostDefinition>, removed: readonly string[]): void {
    const { events, keys } = this.#options;
    const scopes = new Map<string, Scopes | undefined>(removed.map((path) => [path, undefined]));
    for (const [path, { settings }] of changes) scopes.set(path, this.#collectScopes(path, settings));
    keys.replaceEach(scopes);
    for (const [path, definition] of changes) {
      const known = this.#vhosts.get(path);
      this.#records.delete(path);
      if (known === undefined) this.#add(path, definition);
      else this.#trackApplied(path, events.onChanged(known, known.change(definition)));
      events.onHistoryChanged(path);
    }
    for (const path of removed) {
      this.#delete(path);
      const stored = this.#stored.get(path);
      if (stored !== undefined) this.#applyVhost(stored);
    }
  }

  #trackApplied(path: string, applied: Promise<void>): void {
    this.#applied.set(path, applied);
    void applied.then(() => {
      if (this.#applied.get(path) === applied) this.#applied.delete(path);
    });
  }

  async #onRead(): Promise<void> {
    const { events, keys, store } = this.#options;
    if ((await store.get(GUARDED)) !== undefined) keys.close();
    this.#loaded = true;
    for (const path of this.#vhosts.keys()) {
      try {
        this.#showKeys(path);
      } catch (error) {
        events.onError(`the keys of vhost ${path}: ${CarillonError.from(error).message}`);
      }
    }
    events.onLoaded();
  }

  readonly #applyVhost = ({ key, value }: StoreChange): void => {
    const { path } = readRecordKey(key);
    if (value === undefined) this.#stored.delete(path);
    else this.#stored.set(path, { key, value });
    if (this.#vhosts.get(path)?.configured === true) return;
    const before = this.#records.get(path);
    if (value === undefined) {
      this.#delete(path);
      return;
    }
    const record = parseVhostRecord(key, value);
    const { settings: rawSettings } = record;
    const settings = this.#parse(record, key);
    // Another id: the vhost was deleted and created again during an outage.
    if (before !== undefined && before.id !== record.id) this.#delete(path);
    const known = this.#vhosts.get(path);
    if (known !== undefined && isDeepStrictEqual(before, record)) return;
    const { events, makeParts } = this.#options;
    // Parts are kept when their settings are unchanged, so that issuers' keys and hook calls survive.
    const same = known !== undefined && hasSameParts(known.settings, settings);
    const parts = same ? known.parts : makeParts(path, settings);
    const definition = { configured: false, settings, rawSettings, parts, dialects: parts.forDialects(settings) };
    this.#records.set(path, record);
    if (known === undefined) this.#add(path, definition);
    else this.#trackApplied(path, events.onChanged(known, known.change(definition)));
    events.onHistoryChanged(path);
    this.#showKeys(path);
  };

  /** @throws CarillonError internal: settings that this version cannot read */
  #parse({ path, settings }: VhostRecord, key: string): VhostSettings {
    try {
      return this.#options.parse(path, settings);
    } catch (error) {
      throw unreadable(key, CarillonError.from(error).message);
    }
  }

  #add(name: string, definition: VhostDefinition): void {
    this.#vhosts.set(name, new Vhost({ name, channels: this.#findOrAddChannels(name) }, definition));
  }

  #delete(path: string): void {
    const vhost = this.#vhosts.get(path);
    if (vhost === undefined) return;
    this.#vhosts.delete(path);
    this.#records.delete(path);
    if (vhost.channels.size === 0) this.#channels.delete(path);
    this.#options.keys.remove(path);
    this.#options.events.onHistoryChanged(path);
    void this.#retire(vhost);
  }

  /** Disconnects a deleted vhost's clients, then stops it. */
  async #retire(vhost: Vhost): Promise<void> {
    this.#deleted.add(vhost);
    await this.#options.events.onDeleted(vhost);
    await vhost.retire();
    this.#deleted.delete(vhost);
  }

  readonly #applyKey = ({ key, value }: StoreChange): void => {
    const { name: id, path } = readRecordKey(key);
    const record = value === undefined ? undefined : parseKeyRecord(key, value);
    const keys = this.#keys.get(path) ?? new Map<string, KeyRecord>();
    this.#keys.set(path, keys);
    if (record === undefined) keys.delete(id);
    else keys.set(id, record);
    if (keys.size === 0) this.#keys.delete(path);
    // Stored keys become valid together, when the whole store has been read.
    if (this.#loaded && this.#vhosts.has(path)) this.#showKeys(path);
  };

  readonly #applyChannel = ({ key, value }: StoreChange): void => {
    const { name, path } = readRecordKey(key);
    const channel = decodeRecord(name);
    const channels = this.#findOrAddChannels(path);
    const vhost = this.#vhosts.get(path);
    if (value !== undefined) {
      const before = vhost?.rulesFor(channel);
      channels.add(channel);
      // The channel's kind may change the rules of an existing topic.
      if (vhost !== undefined && before !== undefined && before !== vhost.rulesFor(channel)) {
        this.#trackApplied(path, this.#options.events.onChannelRulesChanged(vhost, channel, before));
      }
      return;
    }
    if (channels.delete(channel) && vhost !== undefined) {
      this.#trackApplied(path, this.#options.events.onChannelClosed(vhost, channel));
    }
  };

  /** Returns the set of a vhost's open channels. The vhost shares it, even if it becomes known later. */
  #findOrAddChannels(path: string): Set<string> {
    const channels = this.#channels.get(path) ?? new Set();
    this.#channels.set(path, channels);
    return channels;
  }

  /** Collects the keys of the settings and those created at run time. */
  #collectScopes(path: string, settings: VhostSettings): Scopes {
    const { certificates, keys } = toScopes(settings);
    const made = [...this.keysOf(path)].map((record) => ({ ...record, configured: false }));
    return { keys: [...keys, ...made], certificates };
  }

  #showKeys(path: string): void {
    try {
      this.#options.keys.replace(path, this.#collectScopes(path, this.require(path).settings));
    } catch (error) {
      // Removes all keys: keeping the old ones could keep a revoked key valid.
      this.#options.keys.remove(path);
      throw error;
    }
  }
}
