import type { Authenticated } from "../access/authenticators/authenticator.js";
import type { Principal } from "../access/decide/principal.js";
import type { HookChanges } from "../access/hooks/hook-answer.js";
import type { ForwardedUpgrade } from "../access/hooks/hook-caller.js";
import type { Origin } from "./client.js";

/** A client at the door: its upgrade request, whose origin and path have been checked. */
export interface Arrival {
  readonly vhost: string;
  readonly origin: Origin;
  /** What it has shown to say who it is; undefined for nothing. */
  readonly credential: string | undefined;
  /** Whether it comes in as nobody, and says inside who it is. */
  readonly guest?: boolean;
  /** Unique in the cluster; its session will have it. */
  readonly connectionId: string;
  readonly upgrade: ForwardedUpgrade;
}

/** A client that may come in. Whoever gets this calls `release` once: when the connection has ended, or never came to be. */
export interface AdmittedClient {
  readonly principal: Principal;
  /** To be joined on the client's behalf as soon as its session exists. */
  readonly topics: readonly string[];
  /** Kept for the backend, which is told of it at each join; undefined where it does not want that. */
  readonly upgrade: ForwardedUpgrade | undefined;
  /** Gives back what the connection counts against: its places in limits, its token. */
  release(): void;
  /**
   * The client has shown a fresh token: it counts as that user's connection, and holds that token, from now on.
   * @throws CarillonError resource_exhausted: nothing has changed
   */
  exchange(authenticated: Authenticated): void;
  /**
   * Asks the backend about a client that came in as nobody and has now shown a token, where the backend is asked about who
   * connects, and was not asked about this user.
   * @param user - as the token names it; undefined: it names none
   * @returns what it changes of the client; undefined for nothing
   * @throws CarillonError the backend's refusal, or that it could not be asked
   */
  introduce(principal: Principal, user: string | undefined): Promise<HookChanges | undefined>;
  /** False while the backend, which is asked about who connects, knows nothing of the client. */
  readonly introduced: boolean;
}
