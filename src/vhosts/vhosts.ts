import { isDeepStrictEqual } from "node:util";
import type { AccessSettings } from "../access/authenticators/vhost-access.js";
import type { JsonObject } from "../access/decide/principal.js";
import type { Scopes } from "../access/keys/keyring.js";
import type { VhostSettings } from "../config/vhost.js";
import type { Clock } from "../core/ports.js";
import type { TopicRules } from "../core/topic-rules.js";
import { CarillonError } from "../errors.js";
import type { Store, StoreChange } from "../store/store.js";
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

/** The keys of all vhosts, where backends are looked up. */
export interface KeyDirectory {
  /** In the place of all keys and certificates that the vhost had before. */
  replace(vhost: string, scopes: Scopes): void;
  remove(vhost: string): void;
  /** There have been keys: nobody is let in without one, even where there are none any more. */
  close(): void;
}

export interface VhostEvents {
  /**
   * Resolves, as those for channels do, when it has been applied to all clients of this node. None of them rejects.
   * @param before - who could be in which topics until now
   */
  onChanged(vhost: Vhost, before: TopicAccess): Promise<void>;
  /** Its clients are to be sent away. Resolves when they have gone. */
  onDeleted(vhost: Vhost): Promise<void>;
  /** A channel has been opened whose kind gives it other rules. @param before - those that its topic had until now */
  onChannelRuled(vhost: Vhost, channel: string, before: TopicRules): Promise<void>;
  onChannelClosed(vhost: Vhost, channel: string): Promise<void>;
  onError(message: string): void;
  /** What is in the store is known now. */
  onLoaded(): void;
}

export interface VhostsOptions {
  readonly configured: Readonly<Record<string, VhostSettings>>;
  readonly store: Store;
  readonly keys: KeyDirectory;
  readonly clock: Clock;
  readonly events: VhostEvents;
  /** @throws CarillonError invalid_argument that names every fault */
  readonly parse: (path: string, given: JsonObject) => VhostSettings;
  /** @throws CarillonError invalid_argument: settings that nothing can be made of */
  readonly makeParts: (path: string, settings: VhostSettings) => VhostParts;
}

/** The vhosts of this node: those of the configuration file, and those made at run time, as the store has them. */
export class Vhosts {
  readonly #options: VhostsOptions;
  readonly #vhosts = new Map<string, Vhost>();
  /** Deleted ones, whose clients have not gone yet or whose backends have not been told of it. */
  readonly #deleted = new Set<Vhost>();
  /** Run-time keys by vhost and id; also of vhosts that are not known yet, as entries come in any order. */
  readonly #keys = new Map<string, Map<string, KeyRecord>>();
  readonly #channels = new Map<string, Set<string>>();
  /** Of those made at run time, as they were heard. */
  readonly #records = new Map<string, VhostRecord>();
  readonly #feed: RecordFeed;
  /** By vhost: resolves when its latest change has been applied to the clients of this node. */
  readonly #applied = new Map<string, Promise<void>>();
  #loaded = false;

  /** @throws CarillonError invalid_argument, failed_precondition: configured settings that nothing can be made of */
  constructor(options: VhostsOptions) {
    this.#options = options;
    this.#feed = new RecordFeed({
      store: options.store,
      clock: options.clock,
      takers: new Map([
        [VHOSTS, this.#takeVhost],
        [KEYS, this.#takeKey],
        [CHANNELS, this.#takeChannel],
      ]),
      onRead: () => this.#onRead(),
      onError: (message) => {
        options.events.onError(message);
      },
    });
    for (const [path, settings] of Object.entries(options.configured)) {
      const parts = options.makeParts(path, settings);
      this.#add(path, true, { settings, given: toJson(settings), parts, dialects: parts.forDialects(settings) });
      this.#showKeys(path);
    }
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

  /** False until what the store holds is known: a vhost or key that is not found may exist all the same. */
  get loaded(): boolean {
    return this.#loaded;
  }

  /** Run-time keys of a vhost. */
  keysOf(path: string): Iterable<KeyRecord> {
    return this.#keys.get(path)?.values() ?? [];
  }

  /** Reads what the store holds, and goes on hearing changes. A store that cannot be reached is tried again. */
  start(): Promise<void> {
    return this.#feed.start();
  }

  /** Resolves when all backends have been told of everybody who has gone, or could not be told. */
  async drained(): Promise<void> {
    await Promise.all([...this.#vhosts.values(), ...this.#deleted].map((vhost) => vhost.drained()));
  }

  stop(): void {
    this.#feed.stop();
    for (const vhost of [...this.#vhosts.values(), ...this.#deleted]) vhost.stop();
  }

  /**
   * Makes a change in the store, and has it hold here when it has been made. Resolves when it has been applied to the
   * clients of this node.
   * @throws what write throws
   */
  async change<Written>(change: StoreChange, write: () => Promise<Written>): Promise<Written> {
    const { path } = readRecordKey(change.key);
    const before = this.#applied.get(path);
    const written = await this.#feed.change(change, write);
    const applied = this.#applied.get(path);
    // The same where this one concerns no client: it waits for no other.
    if (applied !== before) await applied;
    return written;
  }

  #apply(path: string, applied: Promise<void>): void {
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

  readonly #takeVhost = ({ key, value }: StoreChange): void => {
    const { path } = readRecordKey(key);
    if (this.#vhosts.get(path)?.configured === true) return;
    const before = this.#records.get(path);
    if (value === undefined) {
      this.#delete(path);
      return;
    }
    const record = parseVhostRecord(key, value);
    const { settings: given } = record;
    const settings = this.#parse(record, key);
    // Deleted and made again while nothing was heard: another vhost of the same path.
    if (before !== undefined && before.id !== record.id) this.#delete(path);
    const known = this.#vhosts.get(path);
    if (known !== undefined && isDeepStrictEqual(before, record)) return;
    const { events, makeParts } = this.#options;
    // What is known of an issuer's keys, and asked of a backend, is not lost for a change that does not concern it.
    const same = known !== undefined && isDeepStrictEqual(partsOf(known.settings), partsOf(settings));
    const parts = same ? known.parts : makeParts(path, settings);
    const definition = { settings, given, parts, dialects: parts.forDialects(settings) };
    this.#records.set(path, record);
    if (known === undefined) this.#add(path, false, definition);
    else this.#apply(path, events.onChanged(known, known.change(definition)));
    this.#showKeys(path);
  };

  /** @throws CarillonError internal: this version cannot read the settings */
  #parse({ path, settings }: VhostRecord, key: string): VhostSettings {
    try {
      return this.#options.parse(path, settings);
    } catch (error) {
      throw unreadable(key, CarillonError.from(error).message);
    }
  }

  #add(name: string, configured: boolean, definition: VhostDefinition): void {
    this.#vhosts.set(name, new Vhost({ name, configured, channels: this.#channelsOf(name) }, definition));
  }

  #delete(path: string): void {
    const vhost = this.#vhosts.get(path);
    if (vhost === undefined) return;
    this.#vhosts.delete(path);
    this.#records.delete(path);
    if (vhost.channels.size === 0) this.#channels.delete(path);
    this.#options.keys.remove(path);
    void this.#sendAway(vhost);
  }

  async #sendAway(vhost: Vhost): Promise<void> {
    this.#deleted.add(vhost);
    await this.#options.events.onDeleted(vhost);
    await vhost.retire();
    this.#deleted.delete(vhost);
  }

  readonly #takeKey = ({ key, value }: StoreChange): void => {
    const { name: id, path } = readRecordKey(key);
    const record = value === undefined ? undefined : parseKeyRecord(key, value);
    const keys = this.#keys.get(path) ?? new Map<string, KeyRecord>();
    this.#keys.set(path, keys);
    if (record === undefined) keys.delete(id);
    else keys.set(id, record);
    if (keys.size === 0) this.#keys.delete(path);
    // Until everything has been read nobody is let in by any of them: they are shown together then.
    if (this.#loaded && this.#vhosts.has(path)) this.#showKeys(path);
  };

  readonly #takeChannel = ({ key, value }: StoreChange): void => {
    const { name, path } = readRecordKey(key);
    const channel = decodeRecord(name);
    const channels = this.#channelsOf(path);
    const vhost = this.#vhosts.get(path);
    if (value !== undefined) {
      const before = vhost?.rulesFor(channel);
      channels.add(channel);
      // Its kind may have made something else of a topic that was there already.
      if (vhost !== undefined && before !== undefined && before !== vhost.rulesFor(channel)) {
        this.#apply(path, this.#options.events.onChannelRuled(vhost, channel, before));
      }
      return;
    }
    if (channels.delete(channel) && vhost !== undefined) {
      this.#apply(path, this.#options.events.onChannelClosed(vhost, channel));
    }
  };

  /** Shared with the vhost, which may come to be known later. */
  #channelsOf(path: string): Set<string> {
    const channels = this.#channels.get(path) ?? new Set();
    this.#channels.set(path, channels);
    return channels;
  }

  #showKeys(path: string): void {
    const { certificates, keys } = toScopes(this.require(path).settings);
    const made = [...this.keysOf(path)].map((record) => ({ ...record, configured: false }));
    try {
      this.#options.keys.replace(path, { keys: [...keys, ...made], certificates });
    } catch (error) {
      // Those that were there may have been taken away: none is better than too many.
      this.#options.keys.remove(path);
      throw error;
    }
  }
}

/** Settings that parts are made of: hooks, and all that access is. The type tells when there are more. */
function partsOf({ anonymous, hooks, jwt, tokens }: VhostSettings): AccessSettings & Pick<VhostSettings, "hooks"> {
  const known: Complete<AccessSettings> = { anonymous, jwt, tokens };
  return { ...known, hooks };
}

/** No member may be left out, not even one that may be absent. */
type Complete<T> = { [K in keyof Required<T>]: T[K] };

/** Settings as they may be told: what is undefined is left out. */
function toJson(settings: VhostSettings): JsonObject {
  return JSON.parse(JSON.stringify(settings)) as JsonObject;
}
