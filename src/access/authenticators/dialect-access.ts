import type { Clock } from "../../core/ports.js";
import type { Permissions } from "../decide/permissions.js";
import type { ConnectionSettings } from "../tokens/token-claims.js";
import type { TokenVerifier } from "../tokens/token-verifier.js";
import type { Authenticator } from "./authenticator.js";

/** A vhost's means to find out who a client is, for dialects with ways of their own. */
export interface AccessTools {
  readonly clock: Clock;
  /** Checks the tokens that Carillon issued for the vhost. */
  readonly issued: TokenVerifier;
  /** Permissions of every client of the vhost. */
  readonly granted: Permissions;
  /** Checks the credentials of all other dialects. */
  readonly authenticator: Authenticator;
}

/** How a dialect's clients and backends get into a vhost. */
export interface DialectAccess {
  /** Default: the vhost's own. */
  readonly authenticator?: Authenticator | undefined;
  /** Settings of connection tokens that are asked for without. */
  readonly tokenSettings?: ConnectionSettings | undefined;
  /** Secret that the dialect's backends show in the place of a key; undefined: they do not get in. */
  readonly backendToken?: string | undefined;
}

/** A dialect with ways of its own into a vhost. */
export interface DialectWithAccess {
  readonly name: string;
  /**
   * @param settings - the dialect's settings of the vhost
   * @throws CarillonError invalid_argument, failed_precondition (a file that cannot be read), naming the setting
   */
  createAccess?(settings: unknown, tools: AccessTools): DialectAccess;
}
