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
import type { AdmittedClient, Arrival } from "./admission.js";
import type { ClientFacts, Rates } from "./client.js";
import { ConnectionLimits, type Places } from "./limits/connection-limits.js";
import { TokenBucket } from "./limits/token-bucket.js";

/** How long a guest may take to say who it is where nobody comes in otherwise, in milliseconds. */
const STRANGER_TIME = 60_000;

/** Decides who comes in: limits first, then the token, then the backend's word. */
export class AdmissionControl {
  readonly #vhosts: Vhosts;
  readonly #clock: Clock;
  readonly #limits = new WeakMap<Vhost, ConnectionLimits>();

  constructor(vhosts: Vhosts, clock: Clock) {
    this.#vhosts = vhosts;
    this.#clock = clock;
  }

  /**
   * At once where nobody has to be asked: that keeps the common case free of promises.
   * @throws CarillonError not_found, unauthenticated, resource_exhausted, unavailable
   * @throws HttpRefusal the backend's own
   */
  admit(arrival: Arrival): AdmittedClient | Promise<AdmittedClient> {
    const vhost = this.#vhosts.require(arrival.vhost);
    const places = this.#limitsOf(vhost).arrive(arrival.origin.address);
    if (arrival.credential === undefined && (vhost.hooks?.asks("connect") !== true || isStranger(vhost, arrival))) {
      const anybody = this.#anybodyOf(vhost, arrival);
      if (anybody !== undefined)
        return new Admission(
          { places, principal: anybody, upgrade: keptUpgrade(vhost, arrival) },
          introductionOf(vhost, arrival),
        );
      places.release();
      throw noToken();
    }
    return this.#ask(vhost, places, arrival);
  }

  /** Where upgrades of a vhost may carry a token. @throws CarillonError not_found */
  credentialPlaces(vhost: string): VhostSettings["credentials"] {
    return this.#vhosts.require(vhost).settings.credentials;
  }

  /** Parts of an upgrade that the vhost's backend is told in addition. @throws CarillonError not_found */
  forwardedParts(vhost: string): readonly HookForward[] {
    return this.#vhosts.require(vhost).settings.hooks?.forward ?? [];
  }

  /** Describes an admitted client that gets a session now. @throws CarillonError not_found: the vhost was deleted meanwhile */
  describeClient({ origin, vhost: path }: Arrival, admitted: AdmittedClient): Omit<ClientFacts, "session"> {
    const vhost = this.#vhosts.require(path);
    return { vhost, origin, admitted, connected: this.#clock.now(), rates: createRates(vhost.settings, this.#clock) };
  }

  async #ask(vhost: Vhost, places: Places, arrival: Arrival): Promise<AdmittedClient> {
    let release: (() => void) | undefined;
    try {
      const authenticated = await this.#identify(vhost, arrival);
      release = authenticated.release;
      const changes = await askBackend(vhost, arrival, authenticated.principal);
      const principal =
        changes === undefined ? authenticated.principal : applyOverrides(changes, authenticated.principal);
      this.#checkTime(principal);
      // The settings may have changed while the backend was asked.
      if (arrival.credential === undefined && this.#anybodyOf(vhost, arrival) === undefined) throw noToken();
      places.takeUser(principal.user);
      const { user } = authenticated.principal;
      // Who has a user stays that one: the backend has decided for good.
      const introduction = user === undefined ? introductionOf(vhost, arrival) : undefined;
      const { topics } = changes ?? {};
      const upgrade = keptUpgrade(vhost, arrival);
      return new Admission({ places, principal, release, topics, upgrade, askedAs: { user } }, introduction);
    } catch (error) {
      release?.();
      places.release();
      throw error;
    }
  }

  async #identify(vhost: Vhost, arrival: Arrival): Promise<Authenticated> {
    const { credential, origin } = arrival;
    if (credential !== undefined) return vhost.authenticatorFor(origin.dialect).authenticate(credential);
    const anybody = this.#anybodyOf(vhost, arrival);
    if (anybody === undefined) throw noToken();
    return { principal: anybody, release: undefined };
  }

  /** Whom a client without a token acts for; undefined where it does not come in. */
  #anybodyOf(vhost: Vhost, arrival: Arrival): Principal | undefined {
    if (arrival.guest !== true) return vhost.anonymous;
    const guest = vhost.guestFor(arrival.origin.dialect);
    return isStranger(vhost, arrival) ? { ...guest, expires: this.#clock.now() + STRANGER_TIME } : guest;
  }

  /** The token may have expired while the backend was asked, and the backend may say a time that has passed. */
  #checkTime({ expires }: Principal): void {
    if (expires !== undefined && expires <= this.#clock.now()) {
      throw new CarillonError("unauthenticated", "the token has expired");
    }
  }

  /** The vhost's counts, by its limits as they are now. */
  #limitsOf(vhost: Vhost): ConnectionLimits {
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

interface AdmissionFacts {
  readonly places: Places;
  readonly principal: Principal;
  readonly release?: (() => void) | undefined;
  readonly topics?: readonly string[] | undefined;
  readonly upgrade: ForwardedUpgrade | undefined;
  /** As whom the backend was asked about the client, as its token names it; undefined: it was not. */
  readonly askedAs?: { readonly user: string | undefined };
}

class Admission implements AdmittedClient {
  readonly principal: Principal;
  readonly topics: readonly string[];
  readonly upgrade: ForwardedUpgrade | undefined;
  readonly #places: Places;
  #releaseToken: (() => void) | undefined;
  readonly #introduction: Introduction | undefined;
  #askedAs: { readonly user: string | undefined } | undefined;

  constructor(
    { askedAs, places, principal, release, topics = [], upgrade }: AdmissionFacts,
    introduction?: Introduction,
  ) {
    this.#places = places;
    this.principal = principal;
    this.#releaseToken = release;
    this.topics = topics;
    this.upgrade = upgrade;
    this.#introduction = introduction;
    this.#askedAs = askedAs;
  }

  get introduced(): boolean {
    return this.#askedAs !== undefined || this.#introduction === undefined;
  }

  async introduce(principal: Principal, user: string | undefined): Promise<HookChanges | undefined> {
    if (this.#introduction === undefined) return undefined;
    if (this.#askedAs !== undefined && this.#askedAs.user === user) return undefined;
    const changes = await this.#introduction(principal);
    this.#askedAs = { user };
    return changes;
  }

  exchange({ principal, release }: Authenticated): void {
    this.#places.takeUser(principal.user);
    const before = this.#releaseToken;
    this.#releaseToken = release;
    before?.();
  }

  release(): void {
    this.#places.release();
    this.#releaseToken?.();
    this.#releaseToken = undefined;
  }
}

/** Where nobody comes in without a token, a guest may do nothing but show one. */
function isStranger({ anonymous }: Vhost, { guest }: Arrival): boolean {
  return guest === true && anonymous === undefined;
}

/** It is kept for as long as the connection lives, so only where somebody wants it. */
function keptUpgrade({ hooks }: Vhost, { upgrade }: Arrival): ForwardedUpgrade | undefined {
  return hooks?.asks("join") === true && hooks.forwards("join") ? upgrade : undefined;
}

/** What asks the backend about who comes in as nobody, and later says who it is. */
type Introduction = (principal: Principal) => Promise<HookChanges | undefined>;

/** Undefined where the backend is not asked: what it would be told of the upgrade is not kept then. */
function introductionOf(vhost: Vhost, arrival: Arrival): Introduction | undefined {
  return vhost.hooks?.asks("connect") === true ? (principal) => askBackend(vhost, arrival, principal) : undefined;
}

async function askBackend(
  { hooks, name }: Vhost,
  arrival: Arrival,
  principal: Principal,
): Promise<HookChanges | undefined> {
  if (hooks?.asks("connect") !== true) return undefined;
  const { connectionId, origin, upgrade } = arrival;
  const { headers, method, query, uri } = upgrade;
  const { address, dialect } = origin;
  const client = { vhost: name, connectionId, user: principal.user, info: principal.info, dialect, address };
  return hooks.onConnect({ client, method, uri, headers, query });
}

/** Creates the rate limits of a new session; undefined where nothing is limited. */
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

function noToken(): CarillonError {
  return new CarillonError("unauthenticated", "a token is needed to connect");
}
