import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import { BACKEND_ACTIONS, type BackendAction } from "./actions.js";
import type { Backend, BackendCredentials, BackendDirectory } from "./backend.js";
import { hashKey } from "./key-secret.js";
import { PatternSet } from "./pattern-set.js";
import { normalSubject } from "./subject.js";

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

const DEFAULT_VHOST = "/";

interface Known {
  readonly backend: Backend;
  /** Of a key; "" for a certificate, whose use is not kept. */
  readonly id: string;
  lastUsed: number | undefined;
  lastTold: number;
}

/** The keys and certificates of all vhosts. Looked up at every RPC. */
export class Keyring implements BackendDirectory {
  readonly #options: KeyringOptions;
  /** By hash. */
  readonly #keys = new Map<string, Known>();
  /** By normal subject. */
  readonly #certificates = new Map<string, Known>();
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
   * In the place of all the vhost's keys before.
   * @throws CarillonError already_exists: a key that is another vhost's, or twice in this one. invalid_argument: a pattern
   * that cannot be read. Nothing has changed then
   */
  replace(vhost: string, keys: readonly KeyScope[]): void {
    const before = ofVhost(this.#keys, vhost);
    const lastUses = new Map([...before.values()].map((known) => [known.id, known]));
    const added = new Map<string, Known>();
    for (const key of keys) {
      if (added.has(key.hash) || (this.#keys.get(key.hash)?.backend.vhost ?? vhost) !== vhost) {
        throw new CarillonError("already_exists", `the key named ${JSON.stringify(key.name)} is there already`);
      }
      added.set(key.hash, entryOf(vhost, key, key.id, lastUses.get(key.id)));
    }
    exchange(this.#keys, before, added);
    if (added.size > 0) this.#open = false;
  }

  /** The same for its certificates. */
  replaceCertificates(vhost: string, certificates: readonly CertificateScope[]): void {
    const added = new Map<string, Known>();
    for (const certificate of certificates) {
      const subject = normalSubject(certificate.subject);
      if (added.has(subject) || (this.#certificates.get(subject)?.backend.vhost ?? vhost) !== vhost) {
        throw new CarillonError("already_exists", `the certificate of ${subject} is there already`);
      }
      added.set(subject, entryOf(vhost, certificate, "", undefined));
    }
    exchange(this.#certificates, ofVhost(this.#certificates, vhost), added);
    if (added.size > 0) this.#open = false;
  }

  /** Takes all keys and certificates of a vhost away. */
  remove(vhost: string): void {
    this.replace(vhost, []);
    this.replaceCertificates(vhost, []);
    this.#anonymous.delete(vhost);
  }

  /** When a key was last used on this node, in milliseconds since the epoch. */
  lastUsed(vhost: string, id: string): number | undefined {
    return [...ofVhost(this.#keys, vhost).values()].find((key) => key.id === id)?.lastUsed;
  }

  identify({ authorization, certificate, vhost }: BackendCredentials): Backend {
    if (this.#letsAnybodyIn()) return this.#identifyAnybody(vhost ?? DEFAULT_VHOST);
    if (authorization !== undefined) {
      const secret = /^bearer +([\w.~+/=-]+) *$/i.exec(authorization)?.[1];
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
    if (found === undefined) throw unauthenticated("no backend has a certificate of this subject");
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
    backend: backendOf(vhost, scope),
    id,
    lastUsed: before?.lastUsed,
    lastTold: before?.lastTold ?? Number.NEGATIVE_INFINITY,
  };
}

function backendOf(vhost: string, { actions, name, topics }: Scope): Backend {
  const patterns = topics.length === 0 ? undefined : new PatternSet(topics);
  return {
    name,
    vhost,
    actions: new Set(actions.includes("*") ? BACKEND_ACTIONS : (actions as readonly BackendAction[])),
    topics: [...topics],
    mayUse: (topic) => patterns === undefined || patterns.find(topic) !== undefined,
  };
}

function ofVhost(all: ReadonlyMap<string, Known>, vhost: string): Map<string, Known> {
  return new Map([...all].filter(([, { backend }]) => backend.vhost === vhost));
}

function exchange(
  all: Map<string, Known>,
  before: ReadonlyMap<string, Known>,
  after: ReadonlyMap<string, Known>,
): void {
  for (const name of before.keys()) all.delete(name);
  for (const [name, key] of after) all.set(name, key);
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
