import { randomUUID } from "node:crypto";
import type { JsonObject } from "../access/decide/principal.js";
import { createKey } from "../access/keys/key-secret.js";
import { findExpressionExcess } from "../access/patterns/expression-budget.js";
import { forgetTokens } from "../access/tokens/token-records.js";
import { findFileSetting, redactSecrets } from "../config/redact.js";
import { vhostPath } from "../config/schema-builder.js";
import type { VhostSettings } from "../config/vhost.js";
import type { Clock } from "../core/ports.js";
import { topicProblem } from "../core/topic-name.js";
import { CarillonError } from "../errors.js";
import type { Store } from "../store/store.js";
import { ignore } from "../util/ignore.js";
import {
  CHANNELS,
  channelKey,
  encodeKeySegment,
  GUARDED,
  KEYS,
  type KeyRecord,
  keyKey,
  parseVhostRecord,
  recordPrefix,
  USES,
  useKey,
  type VhostRecord,
  vhostKey,
} from "./records.js";
import type { Vhost } from "./vhost.js";
import type { KeyDescription, NewVhostKey, VhostAdmin, VhostDescription } from "./vhost-admin.js";
import type { Vhosts } from "./vhosts.js";

/** Maximum numbers of channels and keys of a vhost. They are bounded because every node keeps all of them in memory. */
const MAX_CHANNELS = 100_000;
const MAX_KEYS = 1_000;
/** Number of entries deleted concurrently. */
const CONCURRENT_DELETIONS = 100;

export interface AdministrationOptions {
  readonly vhosts: Vhosts;
  readonly store: Store;
  readonly clock: Clock;
  /** Returns the time of a key's last use on this node; undefined if it has not been used since the node started. */
  readonly lastUsed: (vhost: string, id: string) => number | undefined;
  /** @throws CarillonError invalid_argument, with every problem */
  readonly parse: (path: string, rawSettings: JsonObject) => VhostSettings;
  /** @throws CarillonError invalid_argument (unusable settings, such as an unknown broker), resource_exhausted (a limit of the node) */
  readonly check: (path: string, settings: VhostSettings) => void;
}

/** Creates and changes vhosts, channels and keys in the store, and applies changes on this node at once. */
export class Administration implements VhostAdmin {
  readonly #options: AdministrationOptions;

  constructor(options: AdministrationOptions) {
    this.#options = options;
  }

  async create(path: string, settings: JsonObject): Promise<VhostDescription> {
    const { store, vhosts } = this.#options;
    if (!vhostPath.safeParse(path).success) {
      throw new CarillonError("invalid_argument", "path: expected a path such as /shop or /shop/eu");
    }
    if (vhosts.get(path) !== undefined) throw createVhostExistsError(path);
    this.#check(path, settings);
    const key = vhostKey(path);
    // Another node may have created it a moment ago.
    if ((await store.get(key)) !== undefined) throw createVhostExistsError(path);
    // Keys and channels left by an interrupted deletion must not become valid again.
    await this.#clear(path);
    const value = toRecordText({ id: randomUUID(), path, settings });
    try {
      await vhosts.change({ key, value }, () => store.create(key, value));
    } catch (error) {
      if (CarillonError.from(error).code === "already_exists") throw createVhostExistsError(path);
      throw error;
    }
    return { path, settings: redactSecrets(settings), configured: false };
  }

  async update(path: string, settings: JsonObject): Promise<VhostDescription> {
    const { store, vhosts } = this.#options;
    this.#requireChangeable(path);
    this.#check(path, settings);
    const entry = await store.get(vhostKey(path));
    if (entry === undefined) throw createUnknownVhostError(path);
    const { id } = parseVhostRecord(entry.key, entry.value);
    const value = toRecordText({ id, path, settings });
    await this.#rememberKeys(path);
    await vhosts.change({ key: entry.key, value }, () => store.update(entry.key, value, entry.revision));
    return { path, settings: redactSecrets(settings), configured: false };
  }

  async replaceDialectSettings(path: string, dialect: string, settings: JsonObject): Promise<void> {
    const { parse, store, vhosts } = this.#options;
    this.#requireChangeable(path);
    const entry = await store.get(vhostKey(path));
    if (entry === undefined) throw createUnknownVhostError(path);
    const record = parseVhostRecord(entry.key, entry.value);
    const changed = { ...record.settings, [dialect]: settings };
    parse(path, changed);
    const value = toRecordText({ ...record, settings: changed });
    await vhosts.change({ key: entry.key, value }, () => store.update(entry.key, value, entry.revision));
  }

  async get(path: string): Promise<VhostDescription> {
    return describe(this.#options.vhosts.require(path));
  }

  async list(): Promise<readonly VhostDescription[]> {
    const all = [...this.#options.vhosts.all].map(describe);
    return all.toSorted((one, other) => (one.path < other.path ? -1 : 1));
  }

  async delete(path: string): Promise<void> {
    this.#requireChangeable(path);
    // The vhost's own record is deleted last, so that an interrupted deletion can be repeated.
    await this.#clear(path);
    await this.#delete(vhostKey(path));
  }

  async openChannel(path: string, channel: string): Promise<boolean> {
    const { store, vhosts } = this.#options;
    const vhost = vhosts.require(path);
    checkChannel(channel);
    if (vhost.channels.has(channel)) return false;
    if (vhost.channels.size >= MAX_CHANNELS) {
      throw new CarillonError("resource_exhausted", `the vhost has reached its limit of ${MAX_CHANNELS} channels`);
    }
    const key = channelKey(path, channel);
    try {
      await vhosts.change({ key, value: "" }, () => store.create(key, ""));
    } catch (error) {
      if (CarillonError.from(error).code === "already_exists") return false;
      throw error;
    }
    return true;
  }

  async closeChannel(path: string, channel: string): Promise<void> {
    const vhost = this.#options.vhosts.require(path);
    checkChannel(channel);
    if (!vhost.channels.has(channel)) {
      throw new CarillonError("not_found", `channel ${JSON.stringify(channel)} is not open`);
    }
    await this.#delete(channelKey(path, channel));
  }

  async listChannels(path: string): Promise<readonly string[]> {
    return [...this.#options.vhosts.require(path).channels].toSorted();
  }

  async createKey(path: string, { actions, name, topics }: NewVhostKey) {
    const { clock, store, vhosts } = this.#options;
    const vhost = vhosts.require(path);
    const names = [...vhosts.keysOf(path), ...vhost.settings.keys].map((key) => key.name);
    if (names.includes(name)) {
      throw new CarillonError("already_exists", `the vhost has a key named ${JSON.stringify(name)}`);
    }
    if (names.length >= MAX_KEYS) {
      throw new CarillonError("resource_exhausted", `the vhost has reached its limit of ${MAX_KEYS} keys`);
    }
    const excess = findExpressionExcess([...[...vhosts.keysOf(path)].map((key) => key.topics), topics]);
    if (excess !== undefined) throw new CarillonError("resource_exhausted", `the vhost's keys: ${excess}`);
    const { hash, secret } = createKey();
    const record: KeyRecord = { id: randomUUID(), name, hash, actions, topics, created: clock.now() };
    const key = keyKey(path, record.id);
    const value = JSON.stringify(record);
    await vhosts.change({ key, value }, () => store.create(key, value));
    // Without this entry, a lost key record could open the node at its next start. A failure is ignored, because the entry is
    // written again before any key is removed.
    await this.#rememberKeys(path).catch(ignore);
    return { key: described(record, undefined), secret };
  }

  async listKeys(path: string): Promise<readonly KeyDescription[]> {
    const { lastUsed, store, vhosts } = this.#options;
    const vhost = vhosts.require(path);
    const prefix = recordPrefix(USES, path);
    const uses = new Map(
      (await store.list(prefix)).map(({ key, value }) => [key.slice(prefix.length), Number(value)] as const),
    );
    const latest = (id: string): number | undefined => {
      const times = [uses.get(encodeKeySegment(id)), lastUsed(path, id)].filter((time) => time !== undefined);
      return times.length === 0 ? undefined : Math.max(...times);
    };
    const configured = vhost.settings.keys.map(({ actions, name, topics = [] }) => ({
      id: name,
      name,
      actions,
      topics,
      created: undefined,
      lastUsed: latest(name),
      configured: true,
    }));
    const made = [...vhosts.keysOf(path)].map((record) => described(record, latest(record.id)));
    return [...configured, ...made];
  }

  async revokeKey(path: string, id: string): Promise<void> {
    const { store, vhosts } = this.#options;
    const vhost = vhosts.require(path);
    if (![...vhosts.keysOf(path)].some((key) => key.id === id)) {
      if (vhost.settings.keys.some(({ name }) => name === id)) {
        throw new CarillonError("failed_precondition", `key ${JSON.stringify(id)} is defined in the configuration`);
      }
      throw new CarillonError("not_found", `unknown key ${JSON.stringify(id)}`);
    }
    await this.#rememberKeys(path);
    await this.#delete(keyKey(path, id));
    await store.delete(useKey(path, id));
  }

  /** Records the last use of a key. A failed write is not retried, because the next use writes again. */
  async keyUsed({ at, id, vhost }: { readonly vhost: string; readonly id: string; readonly at: number }) {
    const { store } = this.#options;
    const key = useKey(vhost, id);
    const entry = await store.get(key);
    if (entry === undefined) await store.create(key, String(at));
    else if (Number(entry.value) < at) await store.update(key, String(at), entry.revision);
  }

  #check(path: string, settings: JsonObject): void {
    const parsed = this.#options.parse(path, settings);
    const file = findFileSetting(settings);
    if (file !== undefined) {
      throw new CarillonError("invalid_argument", `${file}: files are only allowed in the configuration`);
    }
    this.#options.check(path, parsed);
  }

  #requireChangeable(path: string): void {
    const vhost = this.#options.vhosts.require(path);
    if (vhost.configured) {
      throw new CarillonError("failed_precondition", `vhost ${JSON.stringify(path)} is defined in the configuration`);
    }
  }

  /** Deletes all store entries of a vhost. */
  async #clear(path: string): Promise<void> {
    const { store } = this.#options;
    for (const kind of [KEYS, USES, CHANNELS] as const) {
      const entries = await store.list(recordPrefix(kind, path));
      if (kind === KEYS && entries.length > 0) await this.#rememberKeys(path);
      for (let start = 0; start < entries.length; start += CONCURRENT_DELETIONS) {
        await Promise.all(entries.slice(start, start + CONCURRENT_DELETIONS).map(({ key }) => this.#delete(key)));
      }
    }
    await forgetTokens(store, path);
  }

  #delete(key: string): Promise<void> {
    const { store, vhosts } = this.#options;
    return vhosts.change({ key, value: undefined }, () => store.delete(key));
  }

  /** Records that keys exist, before any is removed, so that a node that later starts without keys still requires one (A3). */
  async #rememberKeys(path: string): Promise<void> {
    const { store, vhosts } = this.#options;
    const { certificates, keys } = vhosts.get(path)?.settings ?? { certificates: [], keys: [] };
    if ([...vhosts.keysOf(path), ...keys, ...certificates].length === 0) return;
    try {
      await store.create(GUARDED, "");
    } catch (error) {
      if (CarillonError.from(error).code !== "already_exists") throw error;
    }
  }
}

function describe(vhost: Vhost): VhostDescription {
  const { configured, rawSettings, name } = vhost;
  return { path: name, settings: redactSecrets(rawSettings), configured };
}

function toRecordText(record: VhostRecord): string {
  return JSON.stringify(record);
}

function createUnknownVhostError(path: string): CarillonError {
  return new CarillonError("not_found", `unknown vhost ${JSON.stringify(path)}`);
}

function checkChannel(channel: string): void {
  const problem = topicProblem(channel);
  if (problem !== undefined) throw new CarillonError("invalid_argument", `channel ${problem}`);
}

function createVhostExistsError(path: string): CarillonError {
  return new CarillonError("already_exists", `vhost ${JSON.stringify(path)} already exists`);
}

/** Describes a key created at run time, without its hash. */
function described(record: KeyRecord, lastUsed: number | undefined): KeyDescription {
  const { actions, created, id, name, topics } = record;
  return { id, name, actions, topics, created, lastUsed, configured: false };
}
