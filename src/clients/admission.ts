import type { Authenticated } from "../access/authenticators/authenticator.js";
import type { Principal } from "../access/decide/principal.js";
import type { HookChanges } from "../access/hooks/hook-answer.js";
import type { ForwardedUpgrade } from "../access/hooks/hook-caller.js";
import type { Origin } from "./client.js";

/** A client's request to connect. Its origin and path have been checked. */
export interface AdmissionRequest {
  readonly vhost: string;
  readonly origin: Origin;
  /** Token of the client; undefined for none. */
  readonly credential: string | undefined;
  /** Whether the client may connect without a token and authenticate on the connection, even if the vhost requires a token. */
  readonly mayAuthenticateLater?: boolean;
  /** Id of the future session, unique in the cluster. */
  readonly connectionId: string;
  readonly upgrade: ForwardedUpgrade;
}

/** A client that may connect. The caller must call `release` once, when the connection has ended or has failed to open. */
export interface AdmittedClient {
  readonly principal: Principal;
  /** Topics that the server joins on the client's behalf as soon as its session exists. */
  readonly topics: readonly string[];
  /** Upgrade request for join hooks; undefined if they do not receive it. */
  readonly upgrade: ForwardedUpgrade | undefined;
  /** Releases the connection's share of the limits and its token. */
  release(): void;
  /**
   * Counts the connection for the user of a fresh token, and holds that token instead of the previous one.
   * @throws CarillonError resource_exhausted: nothing changes
   */
  exchange(authenticated: Authenticated): void;
  /**
   * Calls the backend's connect hook for a client that has authenticated after connecting, unless its last call was for the
   * same user.
   * @param user - user named by the token; undefined for none
   * @returns the hook's changes; undefined if it was not called
   * @throws CarillonError the backend's refusal, or a failed call
   */
  runConnectHook(principal: Principal, user: string | undefined): Promise<HookChanges | undefined>;
  /** False while the backend's connect hook must still be called for this client. */
  readonly connectHookDone: boolean;
  /**
   * Replaces the id of the future session, without authenticating again. Calls the connect hook again where it has been called,
   * because backends know connections by their ids; `principal` and `topics` may then change.
   * @throws CarillonError the backend's refusal, or a failed call; the caller must still call `release`
   */
  changeConnectionId(connectionId: string): Promise<void>;
}
