import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { DEFAULT_VHOST } from "../../util/names.js";
import { BACKEND_ACTIONS, type BackendAction } from "../decide/actions.js";
import { weightProblem } from "../patterns/match-steps.js";
import { PatternSet } from "../patterns/pattern-set.js";
import type { Backend, BackendCredentials, BackendDirectory } from "./backend.js";
import { hashKey } from "./key-secret.js";
import { normalizeSubject } from "./subject-dn.js";

/** Permissions of a key or certificate in its vhost. */
interface Scope {
  readonly name: string;
  readonly actions: readonly ("*" | BackendAction)[];
  /** Patterns; empty for every topic. */
  readonly topics: readonly string[];
}

/** A key and its permissions. */
export interface KeyScope extends Scope {
  /** Unique in the vhost. */
  readonly id: string;
  /** SHA-256 of the key, 64 hexadecimal digits. */
  readonly hash: string;
  /** In milliseconds since the epoch; undefined for a key of the configuration. */
  readonly created: number | undefined;
  readonly configured: boolean;
}

/** A subject of client certificates signed by the trusted authority, and its permissions. */
export interface CertificateScope extends Scope {
  /** All attributes, most specific first, such as `CN=billing,O=Example`. */
  readonly subject: string;
}

export interface KeyringOptions {
  readonly clock: Clock;
  /** Whether calls need no key until the first key or certificate exists. */
  readonly open: boolean;
  readonly hasVhost: (vhost: string) => boolean;
  /** Returns false until stored keys have been loaded: unknown keys fail with `unavailable` until then. Default: true. */
  readonly loaded?: () => boolean;
  /** Called when a key is used, at most once per {@link USE_INTERVAL} and key. */
  readonly onUsed?: (use: { readonly vhost: string; readonly id: string; readonly at: number }) => void;
}

/** Minimum time between two reports of a key's use, in milliseconds. */
export const USE_INTERVAL = 60_000;

/** All keys and certificates of a vhost. */
export interface Scopes {
  readonly keys: readonly KeyScope[];
  readonly certificates: readonly CertificateScope[];
}

interface ScopeEntry {
  readonly backend: Backend;
  /** Id of the key; "" for a certificate, whose use is not reported. */
  readonly id: string;
  lastUsed: number | undefined;
  lastReported: number;
}

/** Entries of one vhost: keys by hash, certificates by normalized subject, and keys by id. */
interface VhostEntries {
  readonly keys: Map<string, ScopeEntry>;
  readonly certificates: Map<string, ScopeEntry>;
  readonly byId: Map<string, ScopeEntry>;
}

/** Keys and certificates of all vhosts. Every RPC looks one up. */
export class Keyring implements BackendDirectory {
  readonly #options: KeyringOptions;
  /** By hash. */
  readonly #keys = new Map<string, ScopeEntry>();
  /** By normalized subject. */
  readonly #certificates = new Map<string, ScopeEntry>();
  /** By vhost. */
  readonly #vhosts = new Map<string, VhostEntries>();
  readonly #anonymous = new Map<string, Backend>();
  #open: boolean;

  constructor(options: KeyringOptions) {
    this.#options = options;
    this.#open = options.open;
  }

  /** Whether calls need no key. The first key ends this for good: removing the last key does not open the node again. */
  get open(): boolean {
    return this.#open;
  }

  /**
   * Replaces all keys and certificates of a vhost.
   * @throws CarillonError already_exists: a key or subject is used by another vhost, or twice in this one; nothing changes
   * @throws CarillonError invalid_argument: an invalid pattern or subject; nothing changes
   */
  replace(vhost: string, scopes: Scopes): void {
    const before = this.#vhosts.get(vhost);
    const entries = this.#createEntries(vhost, scopes, before);
    if (before !== undefined) this.#removeEntries(before);
    this.#addEntries(entries);
    this.#vhosts.set(vhost, entries);
  }

  /**
   * Replaces all keys and certificates of several vhosts at once, so that they can move from one vhost to another.
   * @param scopes - by vhost; undefined to remove those of the vhost
   * @throws as `replace` does
   */
  replaceEach(scopes: ReadonlyMap<string, Scopes | undefined>): void {
    const before = [...scopes.keys()].flatMap((vhost) => this.#vhosts.get(vhost) ?? []);
    const wasOpen = this.#open;
    const made = new Map<string, VhostEntries>();
    for (const entries of before) this.#removeEntries(entries);
    try {
      for (const [vhost, replacement] of scopes) {
        if (replacement === undefined) continue;
        const entries = this.#createEntries(vhost, replacement, this.#vhosts.get(vhost));
        made.set(vhost, entries);
        this.#addEntries(entries);
      }
    } catch (error) {
      for (const entries of made.values()) this.#removeEntries(entries);
      for (const entries of before) this.#addEntries(entries);
      this.#open = wasOpen;
      throw error;
    }
    for (const vhost of scopes.keys()) {
      const entries = made.get(vhost);
      if (entries !== undefined) {
        this.#vhosts.set(vhost, entries);
        continue;
      }
      this.#vhosts.delete(vhost);
      this.#anonymous.delete(vhost);
    }
  }

  /** Requires a key from now on, because keys have existed. */
  close(): void {
    this.#open = false;
  }

  /** Checks that `replace` would accept the scopes, and changes nothing. @throws as `replace` does */
  check(vhost: string, scopes: Scopes): void {
    this.#createEntries(vhost, scopes, this.#vhosts.get(vhost));
  }

  /** Removes all keys and certificates of a vhost. */
  remove(vhost: string): void {
    const entries = this.#vhosts.get(vhost);
    if (entries !== undefined) this.#removeEntries(entries);
    this.#vhosts.delete(vhost);
    this.#anonymous.delete(vhost);
  }

  /** Time of a key's last use on this node, in milliseconds since the epoch. */
  lastUsed(vhost: string, id: string): number | undefined {
    return this.#vhosts.get(vhost)?.byId.get(id)?.lastUsed;
  }

  identify({ authorization, certificate, vhost }: BackendCredentials): Backend {
    if (this.#isOpen()) return this.#identifyAnonymous(vhost ?? DEFAULT_VHOST);
    if (authorization !== undefined) {
      const secret = /^bearer +([!-~]+) *$/i.exec(authorization)?.[1];
      if (secret === undefined) throw unauthenticated("authorization: expected Bearer and a key");
      return this.identifyKey(secret, vhost);
    }
    if (certificate === undefined) throw unauthenticated("missing key: expected authorization: Bearer KEY");
    return this.#identifyCertificate(certificate, vhost);
  }

  /**
   * Identifies a backend by its bare key.
   * @param vhost - requested vhost; undefined for the key's own
   * @throws as `identify` does
   */
  identifyKey(secret: string, vhost: string | undefined): Backend {
    return this.identifyHash(hashKey(secret), vhost);
  }

  /**
   * Identifies a backend by the hash of its key, as of {@link hashKey}.
   * @param vhost - requested vhost; undefined for the key's own
   * @throws as `identify` does
   */
  identifyHash(hash: string, vhost: string | undefined): Backend {
    if (this.#isOpen()) return this.#identifyAnonymous(vhost ?? DEFAULT_VHOST);
    const key = this.#keys.get(hash);
    if (key === undefined) {
      this.#checkLoaded();
      throw unauthenticated("unknown or revoked key");
    }
    checkVhost(key.backend, vhost);
    this.#use(key);
    return key.backend;
  }

  #createEntries(vhost: string, { certificates, keys }: Scopes, before: VhostEntries | undefined): VhostEntries {
    const entries: VhostEntries = { keys: new Map(), certificates: new Map(), byId: new Map() };
    for (const key of keys) {
      checkUnused(vhost, entries.keys, this.#keys, key.hash, `the key named ${JSON.stringify(key.name)}`);
      const known = createEntry(vhost, key, key.id, before?.byId.get(key.id));
      entries.keys.set(key.hash, known);
      entries.byId.set(key.id, known);
    }
    for (const certificate of certificates) {
      const subject = normalizeSubject(certificate.subject);
      checkUnused(vhost, entries.certificates, this.#certificates, subject, `the certificate of ${subject}`);
      entries.certificates.set(subject, createEntry(vhost, certificate, "", undefined));
    }
    return entries;
  }

  #addEntries({ certificates, keys }: VhostEntries): void {
    for (const [hash, known] of keys) this.#keys.set(hash, known);
    for (const [subject, known] of certificates) this.#certificates.set(subject, known);
    if (keys.size + certificates.size > 0) this.#open = false;
  }

  #removeEntries({ certificates, keys }: VhostEntries): void {
    for (const hash of keys.keys()) this.#keys.delete(hash);
    for (const subject of certificates.keys()) this.#certificates.delete(subject);
  }

  #isOpen(): boolean {
    if (this.#open) this.#checkLoaded();
    return this.#open;
  }

  #checkLoaded(): void {
    if (this.#options.loaded?.() !== false) return;
    throw new CarillonError("unavailable", "the keys are not loaded yet: try again");
  }

  #identifyCertificate(subject: string, vhost: string | undefined): Backend {
    const found = this.#certificates.get(normalizeOrEmpty(subject));
    if (found === undefined) {
      this.#checkLoaded();
      throw unauthenticated("unknown certificate subject: no backend uses it");
    }
    checkVhost(found.backend, vhost);
    return found.backend;
  }

  #identifyAnonymous(vhost: string): Backend {
    let backend = this.#anonymous.get(vhost);
    if (backend !== undefined && this.#options.hasVhost(vhost)) return backend;
    if (!this.#options.hasVhost(vhost)) {
      this.#anonymous.delete(vhost);
      throw new CarillonError("not_found", `unknown vhost ${JSON.stringify(vhost)}`);
    }
    backend = createBackend(vhost, { name: "anonymous", actions: ["*"], topics: [] });
    this.#anonymous.set(vhost, backend);
    return backend;
  }

  #use(key: ScopeEntry): void {
    const at = this.#options.clock.now();
    key.lastUsed = at;
    if (at - key.lastReported < USE_INTERVAL) return;
    key.lastReported = at;
    this.#options.onUsed?.({ vhost: key.backend.vhost, id: key.id, at });
  }
}

function createEntry(vhost: string, scope: Scope, id: string, before: ScopeEntry | undefined): ScopeEntry {
  return {
    // Keeps the backend while its scope is unchanged, so that its patterns are not compiled again.
    backend: before !== undefined && isSameScope(before.backend, scope) ? before.backend : createBackend(vhost, scope),
    id,
    lastUsed: before?.lastUsed,
    lastReported: before?.lastReported ?? Number.NEGATIVE_INFINITY,
  };
}

function isSameScope(backend: Backend, { actions, name, topics }: Scope): boolean {
  const { actions: known } = backend;
  const allowed = resolveActions(actions);
  return (
    backend.name === name &&
    known.size === allowed.size &&
    [...known].every((action) => allowed.has(action)) &&
    (backend.topics === topics || isDeepStrictEqual(backend.topics, topics))
  );
}

/** Checks the topics of a key. @throws CarillonError invalid_argument: an invalid pattern, or a total weight above the limit */
export function checkPatterns(topics: readonly string[]): void {
  const problem = weightProblem(new PatternSet(topics).matchers.weight);
  if (problem !== undefined) throw new CarillonError("invalid_argument", problem);
}

function resolveActions(actions: Scope["actions"]): ReadonlySet<BackendAction> {
  return new Set(actions.includes("*") ? BACKEND_ACTIONS : (actions as readonly BackendAction[]));
}

function createBackend(vhost: string, { actions, name, topics }: Scope): Backend {
  const patterns = new PatternSet(topics);
  const { matchers } = patterns;
  const problem = weightProblem(matchers.weight);
  if (problem !== undefined)
    throw new CarillonError("invalid_argument", `topics of key ${JSON.stringify(name)}: ${problem}`);
  return {
    name,
    vhost,
    actions: resolveActions(actions),
    topics,
    matchers,
    mayUse: (topic) => topics.length === 0 || patterns.find(topic) !== undefined,
  };
}

function checkUnused(
  vhost: string,
  own: ReadonlyMap<string, ScopeEntry>,
  all: ReadonlyMap<string, ScopeEntry>,
  id: string,
  what: string,
): void {
  if (!own.has(id) && (all.get(id)?.backend.vhost ?? vhost) === vhost) return;
  throw new CarillonError("already_exists", `${what} already exists`);
}

function checkVhost(backend: Backend, vhost: string | undefined): void {
  if (vhost === undefined || vhost === backend.vhost) return;
  throw new CarillonError("permission_denied", `the credentials are not valid for vhost ${JSON.stringify(vhost)}`);
}

function normalizeOrEmpty(subject: string): string {
  try {
    return normalizeSubject(subject);
  } catch {
    return "";
  }
}

function unauthenticated(message: string): CarillonError {
  return new CarillonError("unauthenticated", message);
}
