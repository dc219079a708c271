import { randomBytes } from "node:crypto";
import { BACKEND_ACTIONS } from "../access/decide/actions.js";
import type { Backend, BackendCredentials, BackendDirectory } from "../access/keys/backend.js";
import { hashKey } from "../access/keys/key-secret.js";
import { MatcherList } from "../access/patterns/matcher-list.js";
import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import { LruMap } from "../util/lru-map.js";
import { DEFAULT_VHOST } from "../util/names.js";

/** Number of sessions kept. The least recently used one ends first. */
const MAX_SESSIONS = 1_024;

/**
 * Scheme of the credentials that calls of a session have within this process. Its secret never leaves the process, so a
 * cookie is of no use outside of the dashboard's paths, which restrict the methods.
 */
const SCHEME = "Dashboard ";

/** How an operator signed in: with the password, which has all rights, or with a key, which has its own. */
export type SignedIn =
  | { readonly by: "password" }
  | { readonly by: "key"; readonly key: string; readonly name: string };

export interface DashboardSession {
  readonly signedIn: SignedIn;
  /** `authorization` of its calls. */
  readonly authorization: string;
  /** By the wall clock, in milliseconds since the epoch. */
  readonly expires: number;
}

export interface SessionsOptions {
  readonly clock: Clock;
  /** Lifetime of a session in milliseconds. */
  readonly lifetime: number;
  readonly keys: BackendDirectory;
  readonly hasVhost: (vhost: string) => boolean;
}

/** Sessions of the dashboard, and the directory that identifies their calls among those of other backends. */
export class Sessions implements BackendDirectory {
  readonly #options: SessionsOptions;
  /** By hash of the cookie, so that timing reveals nothing about other cookies. */
  readonly #byCookie = new LruMap<string, DashboardSession>(MAX_SESSIONS);
  /** By hash of the internal credentials. */
  readonly #bySecret = new LruMap<string, DashboardSession>(MAX_SESSIONS);

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /** Begins a session. @returns its cookie */
  begin(signedIn: SignedIn): string {
    const { clock, lifetime } = this.#options;
    const session = { signedIn, authorization: SCHEME + createSecret(), expires: clock.now() + lifetime };
    const cookie = createSecret();
    this.#byCookie.set(hashKey(cookie), session);
    this.#bySecret.set(hashKey(session.authorization), session);
    return cookie;
  }

  /** Finds a session that has not expired. */
  find(cookie: string | undefined): DashboardSession | undefined {
    return cookie === undefined ? undefined : this.#findLive(this.#byCookie, hashKey(cookie));
  }

  /** Ends a session, with its open streams. */
  end(cookie: string | undefined): void {
    const session = this.find(cookie);
    if (cookie === undefined || session === undefined) return;
    this.#byCookie.delete(hashKey(cookie));
    this.#bySecret.delete(hashKey(session.authorization));
  }

  identify(credentials: BackendCredentials): Backend {
    const { authorization, vhost = DEFAULT_VHOST } = credentials;
    const { hasVhost, keys } = this.#options;
    if (authorization?.startsWith(SCHEME) !== true) return keys.identify(credentials);
    const signedIn = this.#findLive(this.#bySecret, hashKey(authorization))?.signedIn;
    if (signedIn === undefined) throw sessionEnded();
    if (signedIn.by === "key") {
      const backend = keys.identify({ ...credentials, authorization: `Bearer ${signedIn.key}` });
      if (!backend.actions.has("admin")) throw sessionEnded();
      return backend;
    }
    if (!hasVhost(vhost)) throw new CarillonError("not_found", `unknown vhost ${JSON.stringify(vhost)}`);
    return { ...OPERATOR, vhost };
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
