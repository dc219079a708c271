import { randomBytes, randomUUID } from "node:crypto";
import { type JWTPayload, SignJWT } from "jose";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import type { Store } from "../../store/store.js";
import { MAX_TOKEN } from "../jwt/jwt-text.js";
import { type Bearer, bearerToJson, type ConnectionSettings, checkBearer, DEFAULT_SETTINGS } from "./token-claims.js";
import { accessTokenKey } from "./token-records.js";
import type { TokenSecret } from "./token-secret.js";

/** Range of a connection or channel token's lifetime, in milliseconds. */
export const TOKEN_LIFETIME = { least: 1_000, most: 300_000 } as const;
/** Range and default of an access token's lifetime, in milliseconds. */
export const ACCESS_TOKEN_LIFETIME = { least: 1_000, most: 24 * 3_600_000, usual: 3_600_000 } as const;

export interface Issued {
  readonly token: string;
  /** In milliseconds since the epoch. */
  readonly expires: number;
}

export interface IssuerOptions {
  readonly vhost: string;
  readonly secret: TokenSecret;
  readonly store: Store;
  readonly clock: Clock;
  /** Settings of connection tokens that are requested without settings. Default: {@link DEFAULT_SETTINGS}. */
  readonly settings?: Partial<ConnectionSettings> | undefined;
}

/** Issues tokens for the clients of one vhost. */
export class TokenIssuer {
  readonly #options: IssuerOptions;

  constructor(options: IssuerOptions) {
    this.#options = options;
  }

  /**
   * Derives a key from the secret of the vhost's tokens, equal on all nodes that share the secret.
   * @throws CarillonError unavailable: the store cannot be reached
   */
  deriveKey(purpose: string): Promise<Uint8Array> {
    return this.#options.secret.deriveKey(purpose);
  }

  /**
   * Creates a token for one connection at a time.
   * @param only - the only dialect that accepts it; undefined for all that accept such tokens
   * @param lifetime - in milliseconds, 1 s to 5 min
   * @throws CarillonError invalid_argument, unavailable
   */
  async createConnectionToken(
    bearer: Bearer,
    settings: Partial<ConnectionSettings> = {},
    lifetime: number = TOKEN_LIFETIME.most,
    only?: string,
  ): Promise<Issued> {
    checkBearer(bearer);
    const { allowChannelAuthorization, allowChannelSubscription, allowClientSend } = {
      ...DEFAULT_SETTINGS,
      ...this.#options.settings,
      ...settings,
    };
    return this.#sign(lifetime, {
      category: "connect",
      allowClientSend,
      allowClientData: allowClientSend,
      allowChannelSubscription,
      allowChannelAuthorization,
      carillon: bearerToJson(bearer),
      ...(only === undefined ? {} : { only }),
    });
  }

  /**
   * Creates a token that permits its bearer to join one channel.
   * @param lifetime - in milliseconds, 1 s to 5 min
   * @throws CarillonError invalid_argument, unavailable
   */
  async createChannelToken(channel: string, lifetime: number = TOKEN_LIFETIME.most): Promise<Issued> {
    if (channel === "") throw new CarillonError("invalid_argument", "channel is empty");
    return this.#sign(lifetime, { category: "channel", channel });
  }

  /**
   * Creates an access token: 128 hexadecimal digits that can be used once.
   * @param lifetime - in milliseconds, 1 s to 24 h
   * @throws CarillonError invalid_argument, unavailable
   */
  async createAccessToken(bearer: Bearer, lifetime: number = ACCESS_TOKEN_LIFETIME.usual): Promise<Issued> {
    checkBearer(bearer);
    checkLifetime(lifetime, ACCESS_TOKEN_LIFETIME);
    const { clock, store, vhost } = this.#options;
    const token = randomBytes(64).toString("hex");
    const expires = clock.now() + lifetime;
    await store.create(accessTokenKey(vhost, token), JSON.stringify({ expires, bearer: bearerToJson(bearer) }), {
      expires,
    });
    return { token, expires };
  }

  async #sign(lifetime: number, claims: JWTPayload): Promise<Issued> {
    checkLifetime(lifetime, TOKEN_LIFETIME);
    const { clock, secret, vhost } = this.#options;
    // `exp` is in whole seconds: rounded up, but not beyond the maximum lifetime.
    const now = clock.now();
    const exp = Math.min(Math.ceil((now + lifetime) / 1_000), Math.floor((now + TOKEN_LIFETIME.most) / 1_000));
    const token = await new SignJWT({ exp, applicationIdentifier: vhost, id: randomUUID(), ...claims })
      .setProtectedHeader({ alg: "HS512", typ: "JWT" })
      .sign(await secret.get());
    if (token.length > MAX_TOKEN) {
      throw new CarillonError("invalid_argument", `the token would be longer than ${MAX_TOKEN} characters`);
    }
    return { token, expires: exp * 1_000 };
  }
}

function checkLifetime(lifetime: number, { least, most }: { readonly least: number; readonly most: number }): void {
  if (lifetime >= least && lifetime <= most) return;
  throw new CarillonError("invalid_argument", `lifetime: expected from ${least / 1_000} s to ${most / 1_000} s`);
}
