import type { Scopes } from "../access/keys.js";
import type { JsonObject } from "../access/principal.js";
import { type VhostSettings, vhost as vhostSchema } from "../config/vhost.js";
import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import type { Change, Store } from "../store/store.js";
import { CHANNELS, decoded, KEYS, type KeyRecord, parse, placeOf, VHOSTS, type VhostRecord } from "./records.js";
import { scopesOf } from "./scopes.js";
import { Vhost, type VhostDefinition, type VhostParts } from "./vhost.js";

/** Milliseconds between two tries to read a store that cannot be reached. */
const RETRY = 1_000;

/** The keys of all vhosts, where backends are looked up. */
export interface KeyDirectory {
  /** In the place of all keys and certificates that the vhost had before. */
  replace(vhost: string, scopes: Scopes): void;
  remove(vhost: string): void;
}

export interface VhostEvents {
  /** Its rules have changed. */
  onChanged(vhost: Vhost): void;
  onDeleted(vhost: Vhost): void;
  onChannelClosed(vhost: Vhost, channel: string): void;
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
  /** @throws CarillonError invalid_argument: settings that nothing can be made of */
  readonly makeParts: (path: string, settings: VhostSettings) => VhostParts;
}

/** The vhosts of this node: those of the configuration file, and those made at run time, as the store has them. */
export class Vhosts {
  readonly #options: VhostsOptions;
  readonly #vhosts = new Map<string, Vhost>();
  /** Run-time keys by vhost and id; also of vhosts that are not known yet, as entries come in any order. */
  readonly #keys = new Map<string, Map<string, KeyRecord>>();
  readonly #channels = new Map<string, Set<string>>();
  readonly #settingsText = new Map<string, string>();
  #unwatch: (() => void)[] = [];
  #cancelRetry: (() => void) | undefined;
  #loaded = false;
  #stopped = false;

  /** @throws CarillonError invalid_argument, failed_precondition: configured settings that nothing can be made of */
  constructor(options: VhostsOptions) {
    this.#options = options;
    for (const [path, settings] of Object.entries(options.configured)) {
      this.#add(path, true, { settings, given: toJson(settings), parts: options.makeParts(path, settings) });
      this.#showKeys(path);
    }
  }

  get(path: string): Vhost | undefined {
    return this.#vhosts.get(path);
  }

  /** @throws CarillonError not_found */
  require(path: string): Vhost {
    const vhost = this.#vhosts.get(path);
    if (vhost === undefined) throw new CarillonError("not_found", `no vhost ${JSON.stringify(path)}`);
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
  async start(): Promise<void> {
    try {
      for (const [prefix, take] of [
        [VHOSTS, this.#takeVhost],
        [KEYS, this.#takeKey],
        [CHANNELS, this.#takeChannel],
      ] as const) {
        this.#unwatch.push(await this.#options.store.watch(prefix, (change) => this.#take(change, take)));
      }
    } catch (error) {
      this.#endWatches();
      if (CarillonError.from(error).code !== "unavailable") throw error;
      if (this.#stopped) return;
      this.#cancelRetry = this.#options.clock.after(RETRY, () => {
        this.start().catch((cause: unknown) => this.#options.events.onError(CarillonError.from(cause).message));
      });
      return;
    }
    if (this.#stopped) {
      this.#endWatches();
      return;
    }
    this.#loaded = true;
    this.#options.events.onLoaded();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
    this.#endWatches();
    for (const vhost of this.#vhosts.values()) vhost.stop();
  }

  /** Takes a change before the store tells of it, so that whoever made it sees it at once. */
  apply(change: Change): void {
    const take = change.key.startsWith(VHOSTS)
      ? this.#takeVhost
      : change.key.startsWith(KEYS)
        ? this.#takeKey
        : this.#takeChannel;
    this.#take(change, take);
  }

  /** One entry that cannot be read does not keep the others from being known. */
  #take(change: Change, take: (change: Change) => void): void {
    try {
      take(change);
    } catch (error) {
      this.#options.events.onError(`${change.key}: ${CarillonError.from(error).message}`);
    }
  }

  readonly #takeVhost = ({ key, value }: Change): void => {
    const { path } = placeOf(key);
    const known = this.#vhosts.get(path);
    if (known?.configured === true) return;
    if (value === undefined) {
      this.#delete(path);
      return;
    }
    if (this.#settingsText.get(path) === value) return;
    const { makeParts } = this.#options;
    const given = (parse(key, value) as VhostRecord).settings;
    const settings = vhostSchema.parse(given);
    const definition = { settings, given, parts: makeParts(path, settings) };
    this.#settingsText.set(path, value);
    if (known === undefined) {
      this.#add(path, false, definition);
    } else {
      known.change(definition);
      this.#options.events.onChanged(known);
    }
    this.#showKeys(path);
  };

  #add(name: string, configured: boolean, definition: VhostDefinition): void {
    this.#vhosts.set(name, new Vhost({ name, configured, channels: this.#channelsOf(name) }, definition));
  }

  #delete(path: string): void {
    const vhost = this.#vhosts.get(path);
    if (vhost === undefined) return;
    this.#vhosts.delete(path);
    this.#settingsText.delete(path);
    this.#options.keys.remove(path);
    vhost.stop();
    this.#options.events.onDeleted(vhost);
  }

  readonly #takeKey = ({ key, value }: Change): void => {
    const { name: id, path } = placeOf(key);
    const keys = this.#keys.get(path) ?? new Map<string, KeyRecord>();
    this.#keys.set(path, keys);
    if (value === undefined) keys.delete(id);
    else keys.set(id, parse(key, value) as KeyRecord);
    if (keys.size === 0) this.#keys.delete(path);
    if (this.#vhosts.has(path)) this.#showKeys(path);
  };

  readonly #takeChannel = ({ key, value }: Change): void => {
    const { name, path } = placeOf(key);
    const channel = decoded(name);
    const channels = this.#channelsOf(path);
    if (value !== undefined) {
      channels.add(channel);
      return;
    }
    const vhost = this.#vhosts.get(path);
    if (channels.delete(channel) && vhost !== undefined) this.#options.events.onChannelClosed(vhost, channel);
  };

  /** Shared with the vhost, which may come to be known later. */
  #channelsOf(path: string): Set<string> {
    const channels = this.#channels.get(path) ?? new Set();
    this.#channels.set(path, channels);
    return channels;
  }

  #showKeys(path: string): void {
    const { certificates, keys } = scopesOf(this.require(path).settings);
    const made = [...this.keysOf(path)].map((record) => ({ ...record, configured: false }));
    try {
      this.#options.keys.replace(path, { keys: [...keys, ...made], certificates });
    } catch (error) {
      // Those that were there may have been taken away: none is better than too many.
      this.#options.keys.remove(path);
      throw error;
    }
  }

  #endWatches(): void {
    for (const end of this.#unwatch) end();
    this.#unwatch = [];
  }
}

/** Settings as they may be told: what is undefined is left out. */
function toJson(settings: VhostSettings): JsonObject {
  return JSON.parse(JSON.stringify(settings)) as JsonObject;
}
