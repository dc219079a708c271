import { readFileSync } from "node:fs";
import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import type { Store } from "../store/store.js";
import type { ClaimNames } from "./claims.js";
import { type JwtOptions, JwtVerifier } from "./jwt.js";
import type { Leases } from "./leases.js";
import { type Grants, Permissions } from "./permissions.js";
import { TokenIssuer } from "./token-issuer.js";
import { TokenSecret } from "./token-secret.js";
import { TokenVerifier } from "./token-verifier.js";
import { VhostAuthenticator } from "./vhost-authenticator.js";

/** What the configuration says of tokens of a vhost's own issuer. */
export interface JwtSettings {
  readonly algorithms?: readonly string[] | undefined;
  readonly secret?: string | undefined;
  readonly secret_file?: string | undefined;
  readonly public_key?: string | undefined;
  readonly public_key_file?: string | undefined;
  readonly jwks_url?: string | undefined;
  readonly issuer?: string | readonly string[] | undefined;
  readonly audience?: string | readonly string[] | undefined;
  /** Milliseconds. */
  readonly leeway: number;
  readonly claims: ClaimNames;
}

/** What it says of who gets in. */
export interface AccessSettings {
  readonly anonymous: { readonly permissions: Grants };
  readonly jwt?: JwtSettings | undefined;
  readonly tokens: { readonly secret?: string | undefined; readonly secret_file?: string | undefined };
}

/** What is shared by all vhosts. */
export interface AccessResources {
  readonly store: Store;
  readonly leases: Leases;
  readonly clock: Clock;
  /** Told once when an issuer's keys cannot be fetched; for the log. */
  readonly onFailure?: (message: string) => void;
}

/** A vhost's clients: how they are known, and how they get tokens. */
export interface VhostAccess {
  readonly authenticator: VhostAuthenticator;
  readonly issuer: TokenIssuer;
  /** Undefined where the vhost has no issuer of its own. */
  readonly jwt: JwtVerifier | undefined;
  /** Ends what goes on in the background. */
  stop(): void;
}

/**
 * Makes what a vhost's settings ask for, and begins to fetch its issuer's keys.
 *
 * @throws CarillonError invalid_argument: settings that cannot be, naming the one
 * @throws CarillonError failed_precondition: a file that cannot be read
 */
export function createVhostAccess(vhost: string, settings: AccessSettings, resources: AccessResources): VhostAccess {
  const { clock, leases, onFailure, store } = resources;
  const jwt = settings.jwt === undefined ? undefined : jwtVerifierOf(jwtOptionsOf(settings.jwt), clock, onFailure);
  const secret = tokenSecretOf(vhost, settings.tokens, store);
  const granted = Permissions.of(settings.anonymous.permissions);
  const issued = new TokenVerifier({ vhost, secret, store, leases, clock });
  jwt?.start();
  return {
    authenticator: new VhostAuthenticator({ issued, jwt, granted }),
    issuer: new TokenIssuer({ vhost, secret, store, clock }),
    jwt,
    stop: () => jwt?.stop(),
  };
}

/** @throws CarillonError failed_precondition: a file that cannot be read */
export function jwtOptionsOf(settings: JwtSettings): JwtOptions {
  const { algorithms, audience, claims, issuer, jwks_url, leeway } = settings;
  return {
    algorithms,
    audience,
    claims,
    issuer,
    leeway,
    jwksUrl: jwks_url,
    secret: settings.secret ?? contentOf("jwt.secret_file", settings.secret_file),
    publicKey: settings.public_key ?? contentOf("jwt.public_key_file", settings.public_key_file),
  };
}

function jwtVerifierOf(options: JwtOptions, clock: Clock, onFailure: AccessResources["onFailure"]): JwtVerifier {
  try {
    return new JwtVerifier(options, clock, onFailure);
  } catch (error) {
    // The verifier names the setting within those of tokens.
    const { code, message } = CarillonError.from(error);
    throw new CarillonError(code, `jwt.${message}`, { cause: error });
  }
}

function tokenSecretOf(vhost: string, settings: AccessSettings["tokens"], store: Store): TokenSecret {
  const secret = settings.secret ?? contentOf("tokens.secret_file", settings.secret_file);
  return secret === undefined ? TokenSecret.kept(store, vhost) : TokenSecret.configured(secret);
}

/** Without the line end that editors put there. */
function contentOf(setting: string, file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, "utf8").replace(/\r?\n$/, "");
  } catch (cause) {
    throw new CarillonError("failed_precondition", `${setting}: ${file} cannot be read`, { cause });
  }
}
