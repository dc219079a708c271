import type { Clock } from "../../core/ports.js";
import type { Permissions } from "../decide/permissions.js";
import type { ConnectionSettings } from "../tokens/token-claims.js";
import type { TokenVerifier } from "../tokens/token-verifier.js";
import type { Authenticator } from "./authenticator.js";

/** A vhost's authentication services, for dialects with their own credentials. */
export interface AccessServices {
  readonly clock: Clock;
  /** Checks the tokens that Carillon issued for the vhost. */
  readonly issued: TokenVerifier;
  /** Permissions of every client of the vhost. */
  readonly granted: Permissions;
  /** Checks the credentials of all other dialects. */
  readonly authenticator: Authenticator;
}

/** A dialect's own authentication in a vhost. */
export interface DialectAccess {
  /** Checks the dialect's credentials. Default: the vhost's own authenticator. */
  readonly authenticator?: Authenticator | undefined;
  /** Default settings of connection tokens. */
  readonly tokenSettings?: ConnectionSettings | undefined;
  /** Secret that the dialect's backends send instead of a key. Undefined: such backends are refused. */
  readonly backendToken?: string | undefined;
}

/** A dialect with its own authentication. */
export interface DialectWithAccess {
  readonly name: string;
  /**
   * Creates the dialect's authentication in a vhost.
   * @param settings - the dialect's settings in the vhost
   * @throws CarillonError invalid_argument, failed_precondition (a file that cannot be read), naming the setting
   */
  createAccess?(settings: unknown, tools: AccessServices): DialectAccess;
}
