import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { DEFAULT_VHOST } from "../../util/names.js";
import { BACKEND_ACTIONS, type BackendAction } from "../decide/actions.js";
import { weightFault } from "../patterns/match-steps.js";
import { PatternSet } from "../patterns/pattern-set.js";
import type { Backend, BackendCredentials, BackendDirectory } from "./backend.js";
import { hashKey } from "./key-secret.js";
import { normalSubject } from "./subject-dn.js";

/** What somebody is let do in a vhost. */
interface Scope {
  readonly name: string;
  readonly actions: readonly ("*" | BackendAction)[];
  /** Patterns; none: every topic. */
  readonly topics: readonly string[];
}

/** A key and what it is for. */
export interface KeyScope extends Scope {
  /** Unique in the vhost. */
  readonly id: string;
  /** SHA-256 of the key, 64 hexadecimal digits. */
  readonly hash: string;
  /** In milliseconds since the epoch; undefined where it stands in the configuration. */
  readonly created: number | undefined;
  readonly configured: boolean;
}

/** Who has a certificate of this subject, signed by the authority that is trusted. */
export interface CertificateScope extends Scope {
  /** Such as `CN=billing,O=Example`: all attributes, most specific first. */
  readonly subject: string;
}

export interface KeyringOptions {
  readonly clock: Clock;
  /** Whether everybody may do everything for as long as there has been no key and no certificate. */
  readonly open: boolean;
  readonly hasVhost: (vhost: string) => boolean;
  /** False while keys may exist that are not known yet: nobody is let in or turned away for good then. Default: true. */
  readonly loaded?: () => boolean;
  /** Told that a key is in use, once in {@link USE_INTERVAL} for each key. */
  readonly onUsed?: (use: { readonly vhost: string; readonly id: string; readonly at: number }) => void;
}

/** Milliseconds. */
export const USE_INTERVAL = 60_000;

/** All who are let do something in a vhost. */
export interface Scopes {
  readonly keys: readonly KeyScope[];
  readonly certificates: readonly CertificateScope[];
}

interface Known {
  readonly backend: Backend;
  /** Of a key; "" for a certificate, whose use is not kept. */
  readonly id: string;
  lastUsed: number | undefined;
  lastTold: number;
}

/** What one vhost has: by hash, by normal subject, and keys by their id. */
interface Holdings {
  readonly keys: Map<string, Known>;
  readonly certificates: Map<string, Known>;
  readonly byId: Map<string, Known>;
}

/** The keys and certificates of all vhosts. Looked up at every RPC. */
export class Keyring implements BackendDirectory {
  readonly #options: KeyringOptions;
  /** By hash. */
  readonly #keys = new Map<string, Known>();
  /** By normal subject. */
  readonly #certificates = new Map<string, Known>();
  /** By vhost. */
  readonly #held = new Map<string, Holdings>();
  readonly #anonymous = new Map<string, Backend>();
  #open: boolean;

  constructor(options: KeyringOptions) {
    this.#options = options;
    this.#open = options.open;
  }

  /** Whether nobody is asked for a key. Ends with the first key for good: taking the last one away lets nobody in. */
  get open(): boolean {
    return this.#open;
  }

  /**
   * In the place of all keys and certificates that the vhost had before.
   * @throws CarillonError already_exists: one that is another vhost's, or twice in this one. invalid_argument: a pattern or
   * a subject that cannot be read. Nothing has changed then
   */
  replace(vhost: string, scopes: Scopes): void {
    const before = this.#held.get(vhost);
    const held = this.#holdings(vhost, scopes, before);
    if (before !== undefined) this.#letGo(before);
    for (const [hash, known] of held.keys) this.#keys.set(hash, known);
    for (const [subject, known] of held.certificates) this.#certificates.set(subject, known);
    this.#held.set(vhost, held);
    if (held.keys.size + held.certificates.size > 0) this.#open = false;
  }

  /** There have been keys: nobody is let in without one from now on. */
  close(): void {
    this.#open = false;
  }

  /** Whether replace would take them. @throws as replace does */
  check(vhost: string, scopes: Scopes): void {
    this.#holdings(vhost, scopes, undefined);
  }

  /** Takes all keys and certificates of a vhost away. */
  remove(vhost: string): void {
    const held = this.#held.get(vhost);
    if (held !== undefined) this.#letGo(held);
    this.#held.delete(vhost);
    this.#anonymous.delete(vhost);
  }

  /** When a key was last used on this node, in milliseconds since the epoch. */
  lastUsed(vhost: string, id: string): number | undefined {
    return this.#held.get(vhost)?.byId.get(id)?.lastUsed;
  }

  identify({ authorization, certificate, vhost }: BackendCredentials): Backend {
    if (this.#letsAnybodyIn()) return this.#identifyAnybody(vhost ?? DEFAULT_VHOST);
    if (authorization !== undefined) {
      const secret = /^bearer +([!-~]+) *$/i.exec(authorization)?.[1];
      if (secret === undefined) throw unauthenticated("authorization: expected Bearer and a key");
      return this.identifyKey(secret, vhost);
    }
    if (certificate === undefined) throw unauthenticated("a key is needed: authorization: Bearer KEY");
    return this.#identifyCertificate(certificate, vhost);
  }

  /**
   * The same for a bare key.
   * @param vhost - undefined: its own
   */
  identifyKey(secret: string, vhost: string | undefined): Backend {
    if (this.#letsAnybodyIn()) return this.#identifyAnybody(vhost ?? DEFAULT_VHOST);
    const key = this.#keys.get(hashKey(secret));
    if (key === undefined) {
      this.#checkLoaded();
      throw unauthenticated("no such key: it is wrong, or was revoked");
    }
    checkVhost(key.backend, vhost);
    this.#use(key);
    return key.backend;
  }

  #holdings(vhost: string, { certificates, keys }: Scopes, before: Holdings | undefined): Holdings {
    const held: Holdings = { keys: new Map(), certificates: new Map(), byId: new Map() };
    for (const key of keys) {
      checkFree(vhost, held.keys, this.#keys, key.hash, `the key named ${JSON.stringify(key.name)}`);
      const known = entryOf(vhost, key, key.id, before?.byId.get(key.id));
      held.keys.set(key.hash, known);
      held.byId.set(key.id, known);
    }
    for (const certificate of certificates) {
      const subject = normalSubject(certificate.subject);
      checkFree(vhost, held.certificates, this.#certificates, subject, `the certificate of ${subject}`);
      held.certificates.set(subject, entryOf(vhost, certificate, "", undefined));
    }
    return held;
  }

  #letGo({ certificates, keys }: Holdings): void {
    for (const hash of keys.keys()) this.#keys.delete(hash);
    for (const subject of certificates.keys()) this.#certificates.delete(subject);
  }

  #letsAnybodyIn(): boolean {
    if (this.#open) this.#checkLoaded();
    return this.#open;
  }

  #checkLoaded(): void {
    if (this.#options.loaded?.() !== false) return;
    throw new CarillonError("unavailable", "the keys are not known yet: try again");
  }

  #identifyCertificate(subject: string, vhost: string | undefined): Backend {
    const found = this.#certificates.get(normalOrNothing(subject));
    if (found === undefined) {
      this.#checkLoaded();
      throw unauthenticated("no backend has a certificate of this subject");
    }
    checkVhost(found.backend, vhost);
    return found.backend;
  }

  #identifyAnybody(vhost: string): Backend {
    let backend = this.#anonymous.get(vhost);
    if (backend !== undefined && this.#options.hasVhost(vhost)) return backend;
    if (!this.#options.hasVhost(vhost)) {
      this.#anonymous.delete(vhost);
      throw new CarillonError("not_found", `no vhost ${JSON.stringify(vhost)}`);
    }
    backend = backendOf(vhost, { name: "anonymous", actions: ["*"], topics: [] });
    this.#anonymous.set(vhost, backend);
    return backend;
  }

  #use(key: Known): void {
    const at = this.#options.clock.now();
    key.lastUsed = at;
    if (at - key.lastTold < USE_INTERVAL) return;
    key.lastTold = at;
    this.#options.onUsed?.({ vhost: key.backend.vhost, id: key.id, at });
  }
}

function entryOf(vhost: string, scope: Scope, id: string, before: Known | undefined): Known {
  return {
    // The same object for as long as it may do the same: its patterns are compiled once.
    backend: before !== undefined && isSameScope(before.backend, scope) ? before.backend : backendOf(vhost, scope),
    id,
    lastUsed: before?.lastUsed,
    lastTold: before?.lastTold ?? Number.NEGATIVE_INFINITY,
  };
}

function isSameScope(backend: Backend, { actions, name, topics }: Scope): boolean {
  const { actions: known } = backend;
  const allowed = actionsOf(actions);
  return (
    backend.name === name &&
    known.size === allowed.size &&
    [...known].every((action) => allowed.has(action)) &&
    isDeepStrictEqual(backend.topics, topics)
  );
}

/** @throws CarillonError invalid_argument: a key cannot have these topics */
export function checkPatterns(topics: readonly string[]): void {
  const fault = weightFault(new PatternSet(topics).matchers.weight);
  if (fault !== undefined) throw new CarillonError("invalid_argument", fault);
}

function actionsOf(actions: Scope["actions"]): ReadonlySet<BackendAction> {
  return new Set(actions.includes("*") ? BACKEND_ACTIONS : (actions as readonly BackendAction[]));
}

function backendOf(vhost: string, { actions, name, topics }: Scope): Backend {
  const patterns = new PatternSet(topics);
  const { matchers } = patterns;
  const fault = weightFault(matchers.weight);
  if (fault !== undefined)
    throw new CarillonError("invalid_argument", `topics of key ${JSON.stringify(name)}: ${fault}`);
  return {
    name,
    vhost,
    actions: actionsOf(actions),
    topics: [...topics],
    matchers,
    mayUse: (topic) => topics.length === 0 || patterns.find(topic) !== undefined,
  };
}

function checkFree(
  vhost: string,
  own: ReadonlyMap<string, Known>,
  all: ReadonlyMap<string, Known>,
  id: string,
  what: string,
): void {
  if (!own.has(id) && (all.get(id)?.backend.vhost ?? vhost) === vhost) return;
  throw new CarillonError("already_exists", `${what} is there already`);
}

function checkVhost(backend: Backend, vhost: string | undefined): void {
  if (vhost === undefined || vhost === backend.vhost) return;
  throw new CarillonError("permission_denied", `the credentials are not for vhost ${JSON.stringify(vhost)}`);
}

function normalOrNothing(subject: string): string {
  try {
    return normalSubject(subject);
  } catch {
    return "";
  }
}

function unauthenticated(message: string): CarillonError {
  return new CarillonError("unauthenticated", message);
}
