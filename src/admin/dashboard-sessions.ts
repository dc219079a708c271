import { randomBytes } from "node:crypto";
import { BACKEND_ACTIONS } from "../access/decide/actions.js";
import type { Backend, BackendCredentials, BackendDirectory } from "../access/keys/backend.js";
import { hashKey } from "../access/keys/key-secret.js";
import type { Keyring } from "../access/keys/keyring.js";
import { MatcherList } from "../access/patterns/matcher-list.js";
import type { Cluster } from "../cluster/cluster.js";
import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import { LruMap } from "../util/lru-map.js";
import { DEFAULT_VHOST } from "../util/names.js";

/** Number of sessions kept. The least recently used one ends first. */
const MAX_SESSIONS = 1_024;
/** Cookies that other nodes are asked for at a time. Further unknown ones count as not signed in. */
const MAX_QUESTIONS = 8;

/**
 * Scheme of the credentials that calls of a session have within this process. Its secret never leaves the process, so a
 * cookie is of no use outside of the dashboard's paths, which restrict the methods.
 */
const SCHEME = "Dashboard ";

const FIND = "dashboard.find";
const END = "dashboard.end";

/** How an operator signed in: with the password, which has all rights, or with a key, which has its own. */
export type SignedIn =
  | { readonly by: "password" }
  | { readonly by: "key"; readonly keyHash: string; readonly name: string };

/** Secrets that a call of a session must have both. Browsers send a cookie to all ports of a host, and the other one to its own only. */
export interface SessionSecrets {
  readonly cookie: string;
  /** Secret that the page keeps, and sends in a header. */
  readonly page: string;
}

/** A session, as nodes tell each other. */
type SessionRecord = {
  readonly signedIn: SignedIn;
  /** By the wall clock, in milliseconds since the epoch. */
  readonly expires: number;
};

export interface DashboardSession extends SessionRecord {
  /** `authorization` of its calls on this node. */
  readonly authorization: string;
}

export interface DashboardSessionsOptions {
  readonly clock: Clock;
  /** Lifetime of a session in milliseconds. */
  readonly lifetime: number;
  readonly keyring: Pick<Keyring, "identify" | "identifyHash">;
  readonly hasVhost: (vhost: string) => boolean;
  readonly cluster: Pick<Cluster, "ask" | "handle" | "nodes" | "tell">;
}

/**
 * Sessions of the dashboard, and the directory that identifies their calls among those of other backends. A node that does
 * not know a cookie asks the others, because a load balancer may send each request to another node.
 */
export class DashboardSessions implements BackendDirectory {
  readonly #options: DashboardSessionsOptions;
  /** By hash of the secrets, so that timing reveals nothing about other sessions. */
  readonly #byHash = new LruMap<string, DashboardSession>(MAX_SESSIONS);
  /** By hash of the internal credentials. */
  readonly #bySecret = new LruMap<string, DashboardSession>(MAX_SESSIONS);
  #questions = 0;

  /** Must be created before the cluster starts, because it also answers other nodes. */
  constructor(options: DashboardSessionsOptions) {
    this.#options = options;
    options.cluster.handle(FIND, (hash) => {
      const session = this.#findLive(this.#byHash, typeof hash === "string" ? hash : "");
      return session === undefined ? null : { signedIn: { ...session.signedIn }, expires: session.expires };
    });
    options.cluster.handle(END, (hash) => {
      if (typeof hash === "string") this.#endHere(hash);
      return null;
    });
  }

  /** Begins a session. @returns its secrets */
  begin(signedIn: SignedIn): SessionSecrets {
    const { clock, lifetime } = this.#options;
    const secrets = { cookie: createSecret(), page: createSecret() };
    this.#add(hashSecrets(secrets), { signedIn, expires: clock.now() + lifetime });
    return secrets;
  }

  /** Finds a session that has not expired, on any node. */
  async find(secrets: SessionSecrets | undefined): Promise<DashboardSession | undefined> {
    if (secrets === undefined) return undefined;
    const hash = hashSecrets(secrets);
    return this.#findLive(this.#byHash, hash) ?? this.#findElsewhere(hash);
  }

  /** Ends a session with its open streams, on all nodes. */
  end(secrets: SessionSecrets | undefined): void {
    if (secrets !== undefined) this.#options.cluster.tell(END, hashSecrets(secrets));
  }

  identify(credentials: BackendCredentials): Backend {
    const { authorization, vhost } = credentials;
    const { hasVhost, keyring } = this.#options;
    if (authorization?.startsWith(SCHEME) !== true) return keyring.identify(credentials);
    const signedIn = this.#findLive(this.#bySecret, hashKey(authorization))?.signedIn;
    if (signedIn === undefined) throw sessionEnded();
    if (signedIn.by === "key") {
      const backend = keyring.identifyHash(signedIn.keyHash, vhost);
      if (!backend.actions.has("admin")) throw sessionEnded();
      return backend;
    }
    const name = vhost ?? DEFAULT_VHOST;
    if (!hasVhost(name)) throw new CarillonError("not_found", `unknown vhost ${JSON.stringify(name)}`);
    return { ...OPERATOR, vhost: name };
  }

  async #findElsewhere(hash: string): Promise<DashboardSession | undefined> {
    const { clock, cluster } = this.#options;
    if (cluster.nodes.size < 2 || this.#questions >= MAX_QUESTIONS) return undefined;
    this.#questions += 1;
    try {
      const { answers } = await cluster.ask(FIND, hash);
      const found = [...answers.values()].find((answer) => answer !== null) as SessionRecord | undefined;
      return found === undefined || found.expires <= clock.now() ? undefined : this.#add(hash, found);
    } finally {
      this.#questions -= 1;
    }
  }

  #add(hash: string, record: SessionRecord): DashboardSession {
    const session = { ...record, authorization: SCHEME + createSecret() };
    this.#byHash.set(hash, session);
    this.#bySecret.set(hashKey(session.authorization), session);
    return session;
  }

  #endHere(hash: string): void {
    const session = this.#byHash.get(hash);
    if (session === undefined) return;
    this.#byHash.delete(hash);
    this.#bySecret.delete(hashKey(session.authorization));
  }

  #findLive(sessions: LruMap<string, DashboardSession>, key: string): DashboardSession | undefined {
    const session = sessions.get(key);
    if (session === undefined || session.expires > this.#options.clock.now()) return session;
    sessions.delete(key);
    return undefined;
  }
}

function sessionEnded(): CarillonError {
  return new CarillonError("unauthenticated", "the session has ended: sign in again");
}

function hashSecrets({ cookie, page }: SessionSecrets): string {
  return hashKey(`${cookie}.${page}`);
}

function createSecret(): string {
  return randomBytes(32).toString("base64url");
}

const OPERATOR = {
  name: "dashboard",
  actions: new Set(BACKEND_ACTIONS),
  topics: [],
  matchers: new MatcherList([]),
  mayUse: () => true,
};
