import type { Authenticated } from "../access/authenticators/authenticator.js";
import { applyOverrides } from "../access/authenticators/backend-overrides.js";
import type { Principal } from "../access/decide/principal.js";
import type { HookChanges } from "../access/hooks/hook-answer.js";
import type { ForwardedUpgrade, HookForward } from "../access/hooks/hook-caller.js";
import type { VhostSettings } from "../config/vhost.js";
import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import type { Vhost } from "../vhosts/vhost.js";
import type { Vhosts } from "../vhosts/vhosts.js";
import type { AdmissionRequest, AdmittedClient } from "./admission.js";
import type { ClientFacts, Rates } from "./client.js";
import { ConnectionLimits, type ConnectionSlot } from "./limits/connection-limits.js";
import { TokenBucket } from "./limits/token-bucket.js";

/** Time limit for an unauthenticated client to present a token, in milliseconds. */
const AUTHENTICATION_TIME = 60_000;

/** Decides whether a client may connect: checks limits first, then the token, then asks the backend's connect hook. */
export class AdmissionControl {
  readonly #vhosts: Vhosts;
  readonly #clock: Clock;
  readonly #limits = new WeakMap<Vhost, ConnectionLimits>();

  constructor(vhosts: Vhosts, clock: Clock) {
    this.#vhosts = vhosts;
    this.#clock = clock;
  }

  /**
   * Decides on a request to connect. Returns a promise only where verifying a token must wait or the backend must be called,
   * so that other requests allocate none.
   * @throws CarillonError not_found, unauthenticated, resource_exhausted, unavailable
   * @throws HttpRefusal chosen by the backend
   */
  admit(request: AdmissionRequest): AdmittedClient | Promise<AdmittedClient> {
    const vhost = this.#vhosts.require(request.vhost);
    const slot = this.#findLimits(vhost).acquire(request.origin.address);
    try {
      const identified = this.#identify(vhost, request);
      const isUnauthenticated = request.credential === undefined && mustAuthenticate(vhost, request);
      const asksBackend = vhost.hooks?.isEnabled("connect") === true && !isUnauthenticated;
      if (asksBackend || identified instanceof Promise) return this.#admitLater(vhost, slot, request, identified);
      return this.#admitNow(vhost, slot, request, identified);
    } catch (error) {
      slot.release();
      throw error;
    }
  }

  /** Parts of an upgrade request in which the vhost accepts a token. @throws CarillonError not_found */
  credentialSources(vhost: string): VhostSettings["credentials"] {
    return this.#vhosts.require(vhost).settings.credentials;
  }

  /** Optional parts of an upgrade request that the vhost's backend receives. @throws CarillonError not_found */
  forwardedParts(vhost: string): readonly HookForward[] {
    return this.#vhosts.require(vhost).settings.hooks?.forward ?? [];
  }

  /** Describes an admitted client for its session. @throws CarillonError not_found: the vhost was deleted meanwhile */
  describeClient({ origin, vhost: path }: AdmissionRequest, admitted: AdmittedClient): Omit<ClientFacts, "session"> {
    const vhost = this.#vhosts.require(path);
    return { vhost, origin, admitted, connected: this.#clock.now(), rates: createRates(vhost.settings, this.#clock) };
  }

  #admitNow(vhost: Vhost, slot: ConnectionSlot, request: AdmissionRequest, authenticated: Authenticated): Admission {
    const { principal, release } = authenticated;
    try {
      this.#checkExpiry(principal);
      slot.setUser(principal.user);
    } catch (error) {
      release?.();
      throw error;
    }
    const upgrade = upgradeForJoins(vhost, request);
    return new Admission({ slot, principal, release, upgrade }, createConnectHook(vhost, request));
  }

  /** Releases the slot where it refuses. */
  async #admitLater(
    vhost: Vhost,
    slot: ConnectionSlot,
    request: AdmissionRequest,
    identified: Authenticated | Promise<Authenticated>,
  ): Promise<AdmittedClient> {
    let release: (() => void) | undefined;
    try {
      const authenticated = await identified;
      release = authenticated.release;
      const decide = (connectionId: string): Promise<HookDecision> =>
        this.#callHook(vhost, slot, { ...request, connectionId }, authenticated.principal);
      const { principal, topics } = await decide(request.connectionId);
      const { user } = authenticated.principal;
      // A client with a user cannot change it, so its connect hook need not be called again.
      const connectHook = user === undefined ? createConnectHook(vhost, request) : undefined;
      const upgrade = upgradeForJoins(vhost, request);
      const decideAgain = vhost.hooks?.isEnabled("connect") === true ? decide : undefined;
      return new Admission(
        { slot, principal, release, topics, upgrade, hookSubject: { user }, decideAgain },
        connectHook,
      );
    } catch (error) {
      release?.();
      slot.release();
      throw error;
    }
  }

  /** Calls the connect hook, and applies its answer. */
  async #callHook(
    vhost: Vhost,
    slot: ConnectionSlot,
    request: AdmissionRequest,
    authenticated: Principal,
  ): Promise<HookDecision> {
    const changes = await callConnectHook(vhost, request, authenticated);
    const principal = changes === undefined ? authenticated : applyOverrides(changes, authenticated);
    this.#checkExpiry(principal);
    // The settings may have changed during the hook's call.
    if (request.credential === undefined && this.#findTokenlessPrincipal(vhost, request) === undefined)
      throw missingToken();
    slot.setUser(principal.user);
    return { principal, topics: changes?.topics ?? [] };
  }

  #identify(vhost: Vhost, request: AdmissionRequest): Authenticated | Promise<Authenticated> {
    const { credential, origin } = request;
    if (credential !== undefined) return vhost.authenticatorFor(origin.dialect).authenticate(credential);
    const principal = this.#findTokenlessPrincipal(vhost, request);
    if (principal === undefined) throw missingToken();
    return { principal, release: undefined };
  }

  /** Returns the principal of a client without a token; undefined if the vhost requires a token. */
  #findTokenlessPrincipal(vhost: Vhost, request: AdmissionRequest): Principal | undefined {
    if (request.mayAuthenticateLater !== true) return vhost.anonymous;
    const principal = vhost.tokenlessPrincipalFor(request.origin.dialect);
    return mustAuthenticate(vhost, request)
      ? { ...principal, expires: this.#clock.now() + AUTHENTICATION_TIME }
      : principal;
  }

  /** Checks the expiry after the hook's call, because the token may have expired or the backend may have set a past expiry. */
  #checkExpiry({ expires }: Principal): void {
    if (expires !== undefined && expires <= this.#clock.now()) {
      throw new CarillonError("unauthenticated", "the token has expired");
    }
  }

  /** Returns the vhost's connection counts, with its current limits. */
  #findLimits(vhost: Vhost): ConnectionLimits {
    const settings = vhost.settings.limits;
    let limits = this.#limits.get(vhost);
    if (limits === undefined) {
      limits = new ConnectionLimits(settings, this.#clock);
      this.#limits.set(vhost, limits);
    } else if (limits.settings !== settings) {
      limits.change(settings);
    }
    return limits;
  }
}

/** A client's principal and topics after the connect hook's answer. */
interface HookDecision {
  readonly principal: Principal;
  readonly topics: readonly string[];
}

interface AdmissionFacts {
  readonly slot: ConnectionSlot;
  readonly principal: Principal;
  readonly release?: (() => void) | undefined;
  readonly topics?: readonly string[] | undefined;
  readonly upgrade: ForwardedUpgrade | undefined;
  /** User in the last call of the connect hook, as the token names it. Undefined: the hook was not called. */
  readonly hookSubject?: { readonly user: string | undefined };
  /** Calls the connect hook again for another connection id. Undefined if it was not called. */
  readonly decideAgain?: ((connectionId: string) => Promise<HookDecision>) | undefined;
}

class Admission implements AdmittedClient {
  readonly upgrade: ForwardedUpgrade | undefined;
  #principal: Principal;
  #topics: readonly string[];
  readonly #decideAgain: AdmissionFacts["decideAgain"];
  /** Replaces the id of the request; undefined if it has not changed. */
  #connectionId: string | undefined;
  readonly #slot: ConnectionSlot;
  #releaseToken: (() => void) | undefined;
  readonly #connectHook: ConnectHook | undefined;
  #hookSubject: { readonly user: string | undefined } | undefined;

  constructor(
    { decideAgain, hookSubject, slot, principal, release, topics = [], upgrade }: AdmissionFacts,
    connectHook?: ConnectHook,
  ) {
    this.#slot = slot;
    this.#principal = principal;
    this.#releaseToken = release;
    this.#topics = topics;
    this.#decideAgain = decideAgain;
    this.upgrade = upgrade;
    this.#connectHook = connectHook;
    this.#hookSubject = hookSubject;
  }

  get principal(): Principal {
    return this.#principal;
  }

  get topics(): readonly string[] {
    return this.#topics;
  }

  get connectHookDone(): boolean {
    return this.#hookSubject !== undefined || this.#connectHook === undefined;
  }

  async runConnectHook(principal: Principal, user: string | undefined): Promise<HookChanges | undefined> {
    if (this.#connectHook === undefined) return undefined;
    if (this.#hookSubject !== undefined && this.#hookSubject.user === user) return undefined;
    const changes = await this.#connectHook(principal, this.#connectionId);
    this.#hookSubject = { user };
    return changes;
  }

  async changeConnectionId(connectionId: string): Promise<void> {
    this.#connectionId = connectionId;
    if (this.#decideAgain === undefined) return;
    const { principal, topics } = await this.#decideAgain(connectionId);
    this.#principal = principal;
    this.#topics = topics;
  }

  exchange({ principal, release }: Authenticated): void {
    this.#slot.setUser(principal.user);
    const before = this.#releaseToken;
    this.#releaseToken = release;
    before?.();
  }

  release(): void {
    this.#slot.release();
    this.#releaseToken?.();
    this.#releaseToken = undefined;
  }
}

/** Whether a client without a token is unauthenticated, not anonymous: its vhost requires a token, and its dialect takes one later. */
function mustAuthenticate({ anonymous }: Vhost, { mayAuthenticateLater }: AdmissionRequest): boolean {
  return mayAuthenticateLater === true && anonymous === undefined;
}

/** Returns the upgrade request where join hooks receive it. Otherwise undefined, so that it does not stay in memory. */
function upgradeForJoins({ hooks }: Vhost, { upgrade }: AdmissionRequest): ForwardedUpgrade | undefined {
  return hooks?.isEnabled("join") === true && hooks.forwards("join") ? upgrade : undefined;
}

/** Calls the backend's connect hook for a client that authenticates after it has connected. */
type ConnectHook = (
  principal: Principal,
  /** Replaces the id of the request; undefined for none. */
  connectionId: string | undefined,
) => Promise<HookChanges | undefined>;

/** Creates a later call of the connect hook. Undefined without a hook, so that the upgrade request does not stay in memory. */
function createConnectHook(vhost: Vhost, request: AdmissionRequest): ConnectHook | undefined {
  return vhost.hooks?.isEnabled("connect") === true
    ? (principal, connectionId = request.connectionId) =>
        callConnectHook(vhost, { ...request, connectionId }, principal)
    : undefined;
}

async function callConnectHook(
  { hooks, name }: Vhost,
  request: AdmissionRequest,
  principal: Principal,
): Promise<HookChanges | undefined> {
  if (hooks?.isEnabled("connect") !== true) return undefined;
  const { connectionId, origin, upgrade } = request;
  const { headers, method, query, uri } = upgrade;
  const { address, dialect } = origin;
  const client = { vhost: name, connectionId, user: principal.user, info: principal.info, dialect, address };
  return hooks.onConnect({ client, method, uri, headers, query });
}

/** Creates the rate limits of a new session; undefined if the vhost has none. */
function createRates({ limits }: VhostSettings, clock: Clock): Rates | undefined {
  const bucket = (limit: number | "off" | undefined): TokenBucket | undefined =>
    limit === undefined || limit === "off" ? undefined : new TokenBucket(limit, clock);
  const rates = {
    commands: bucket(limits.commands_per_second),
    publishedBytes: bucket(limits.publish_bytes_per_second),
    answeredBytes: bucket(limits.answer_bytes_per_second),
  };
  return Object.values(rates).every((one) => one === undefined) ? undefined : rates;
}

function missingToken(): CarillonError {
  return new CarillonError("unauthenticated", "a token is required to connect");
}
