import { readFileSync } from "node:fs";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import type { Store } from "../../store/store.js";
import type { BitGrants } from "../decide/permission-bits.js";
import { type Grants, Permissions } from "../decide/permissions.js";
import type { ClaimNames } from "../jwt/claims.js";
import { type JwtOptions, JwtVerifier } from "../jwt/jwt-verifier.js";
import type { Leases } from "../tokens/leases.js";
import type { ConnectionSettings } from "../tokens/token-claims.js";
import { TokenIssuer } from "../tokens/token-issuer.js";
import { TokenSecret } from "../tokens/token-secret.js";
import { TokenVerifier } from "../tokens/token-verifier.js";
import type { AccessServices } from "./dialect-access.js";
import { VhostAuthenticator } from "./vhost-authenticator.js";

/** Settings of a vhost's own token issuer. */
export interface JwtSettings {
  readonly algorithms?: readonly string[] | undefined;
  readonly secret?: string | undefined;
  readonly secret_file?: string | undefined;
  readonly public_key?: string | undefined;
  readonly public_key_file?: string | undefined;
  readonly jwks_url?: string | undefined;
  readonly issuer?: string | readonly string[] | undefined;
  readonly audience?: string | readonly string[] | undefined;
  /** In milliseconds. */
  readonly leeway: number;
  readonly claims: ClaimNames;
  readonly require_exp?: boolean | undefined;
  readonly integer_user?: boolean | undefined;
  readonly permission_bits?: BitGrants | undefined;
}

/** Settings of a vhost's authentication. */
export interface AccessSettings {
  readonly anonymous: { readonly permissions: Grants };
  readonly jwt?: JwtSettings | undefined;
  readonly tokens: SecretSettings;
}

/** Secret in the settings or in a file. At most one of the two is set. */
export interface SecretSettings {
  readonly secret?: string | undefined;
  readonly secret_file?: string | undefined;
}

/** Resources shared by all vhosts. */
export interface AccessResources {
  readonly store: Store;
  readonly leases: Leases;
  readonly clock: Clock;
  /** Called once when an issuer's keys cannot be fetched, and again only after a fetch has succeeded; for the log. */
  readonly onFailure?: (message: string) => void;
}

/** Authentication of a vhost's clients, and the tokens issued for them. */
export interface VhostAccess extends AccessServices {
  /** Creates an issuer of tokens. @param settings - defaults for connection tokens */
  createIssuer(settings?: ConnectionSettings): TokenIssuer;
  /** Verifier of the vhost's own issuer; undefined if it has none. */
  readonly jwt: JwtVerifier | undefined;
  /** Stops background work. */
  stop(): void;
}

/**
 * Creates a vhost's authentication from its settings, and starts fetching its issuer's keys.
 *
 * @throws CarillonError invalid_argument: an invalid setting, with its name
 * @throws CarillonError failed_precondition: a file that cannot be read
 */
export function createVhostAccess(vhost: string, settings: AccessSettings, resources: AccessResources): VhostAccess {
  const { clock, leases, onFailure, store } = resources;
  const jwt = settings.jwt === undefined ? undefined : createJwtVerifier(settings.jwt, clock, onFailure);
  const secret = createTokenSecret(vhost, settings.tokens, store);
  const granted = Permissions.of(settings.anonymous.permissions);
  const issued = new TokenVerifier({ vhost, secret, store, leases, clock });
  jwt?.start();
  return {
    clock,
    issued,
    granted,
    authenticator: new VhostAuthenticator({ issued, jwt, granted }),
    createIssuer: (tokenSettings) => new TokenIssuer({ vhost, secret, store, clock, settings: tokenSettings }),
    jwt,
    stop: () => jwt?.stop(),
  };
}

/**
 * Converts settings to the verifier's options, and reads the key from its file.
 * @throws CarillonError failed_precondition: a file that cannot be read
 */
export function toJwtOptions(settings: JwtSettings): JwtOptions {
  const { algorithms, audience, claims, issuer, jwks_url, leeway } = settings;
  return {
    algorithms,
    audience,
    claims,
    issuer,
    leeway,
    requireExp: settings.require_exp,
    integerUser: settings.integer_user,
    permissionBits: settings.permission_bits,
    jwksUrl: jwks_url,
    secret: settings.secret ?? readSecretFile("jwt.secret_file", settings.secret_file),
    publicKey: settings.public_key ?? readSecretFile("jwt.public_key_file", settings.public_key_file),
  };
}

function createJwtVerifier(settings: JwtSettings, clock: Clock, onFailure: AccessResources["onFailure"]): JwtVerifier {
  const options = toJwtOptions(settings);
  return withSettingsOf("jwt", settings, () => new JwtVerifier(options, clock, onFailure));
}

/** Runs a function whose errors begin with the key of a setting. Adds the object's name, and `_file` if a file holds the value. */
export function withSettingsOf<Made>(name: string, settings: object, make: () => Made): Made {
  try {
    return make();
  } catch (error) {
    const { code, message } = CarillonError.from(error);
    const [key = ""] = message.split(":", 1);
    const fileKey = `${key}_file`;
    const isFile = (settings as Readonly<Record<string, unknown>>)[fileKey] !== undefined;
    const text = isFile ? `${fileKey}${message.slice(key.length)}` : message;
    throw new CarillonError(code, `${name}.${text}`, { cause: error });
  }
}

function createTokenSecret(vhost: string, settings: SecretSettings, store: Store): TokenSecret {
  const secret = readSecretSetting("tokens", settings);
  if (secret === undefined) return TokenSecret.stored(store, vhost);
  return withSettingsOf("tokens", settings, () => TokenSecret.configured(secret));
}

/**
 * Reads a secret from the settings or from the file that they name; undefined for neither.
 * @param name - object that holds the settings, for errors
 * @throws CarillonError failed_precondition: the file cannot be read
 */
export function readSecretSetting(name: string, { secret, secret_file: file }: SecretSettings): string | undefined {
  return secret ?? readSecretFile(`${name}.secret_file`, file);
}

/**
 * Reads a file without the final line break that editors add; undefined for no file.
 * @throws CarillonError failed_precondition: the file cannot be read
 */
export function readSecretFile(setting: string, file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, "utf8").replace(/\r?\n$/, "");
  } catch (cause) {
    throw new CarillonError("failed_precondition", `${setting}: ${file} cannot be read`, { cause });
  }
}
