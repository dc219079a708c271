import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import type { Store } from "../../store/store.js";
import type { Principal } from "../decide/principal.js";
import { verifyJwt } from "../jwt/jwt-signature.js";
import { readJwt, tokenRefusal } from "../jwt/jwt-text.js";
import type { Leases } from "./leases.js";
import { bearerFromJson, type ConnectionSettings } from "./token-claims.js";
import { accessTokenKey, leaseKey } from "./token-records.js";
import type { TokenSecret } from "./token-secret.js";

export interface VerifierOptions {
  readonly vhost: string;
  readonly secret: TokenSecret;
  readonly store: Store;
  readonly leases: Leases;
  readonly clock: Clock;
}

/** Contents of a connection token. */
export interface ConnectionToken {
  readonly id: string;
  readonly principal: Principal;
  readonly settings: ConnectionSettings;
  /** The only dialect that accepts it; undefined for all that accept such tokens. */
  readonly only: string | undefined;
  /** Expiry of the token, in milliseconds since the epoch. */
  readonly expires: number;
}

type Category = "connect" | "channel";

/** Verifies the tokens that Carillon issued for one vhost. */
export class TokenVerifier {
  readonly #options: VerifierOptions;

  constructor(options: VerifierOptions) {
    this.#options = options;
  }

  /**
   * Verifies a connection token without acquiring its lease.
   * @throws CarillonError unauthenticated, unavailable
   */
  async read(token: string): Promise<ConnectionToken> {
    const claims = await this.#verify(token, "connect");
    const { allowChannelAuthorization, allowChannelSubscription, allowClientSend, exp, id, only } = claims;
    if (typeof id !== "string" || !/^[\w-]{1,64}$/.test(id)) throw tokenRefusal("no id");
    return {
      id,
      principal: readBearer(claims["carillon"], this.#options.clock.now()),
      settings: {
        allowClientSend: allowClientSend === true,
        allowChannelSubscription: allowChannelSubscription === true,
        allowChannelAuthorization: allowChannelAuthorization !== false,
      },
      only: typeof only === "string" ? only : undefined,
      expires: (exp as number) * 1_000,
    };
  }

  /**
   * Verifies a connection token and acquires its lease.
   * @param dialect - dialect of the connection; undefined for dialects that a token cannot be limited to
   * @returns the token's contents, and `release`, which lets another connection use it
   * @throws CarillonError unauthenticated: invalid, or in use by another connection. unavailable
   */
  async takeConnection(token: string, dialect?: string): Promise<ConnectionToken & { readonly release: () => void }> {
    const contents = await this.read(token);
    if (contents.only !== undefined && contents.only !== dialect)
      throw tokenRefusal(`only valid for ${contents.only} clients`);
    const { expires, id } = contents;
    const release = await this.#options.leases.acquire(leaseKey(this.#options.vhost, id), expires);
    if (release === undefined) throw tokenRefusal("in use by another connection");
    return { release, ...contents };
  }

  /** Checks that a token permits a join of the channel. @throws CarillonError unauthenticated, unavailable */
  async checkChannel(token: string, channel: string): Promise<void> {
    const claims = await this.#verify(token, "channel");
    if (claims["channel"] !== channel) throw tokenRefusal("wrong channel");
  }

  /**
   * Consumes an access token. If several clients present it at once, on any nodes, only one is accepted.
   * @throws CarillonError unauthenticated, unavailable
   */
  async useAccessToken(token: string): Promise<Principal> {
    const { clock, store, vhost } = this.#options;
    const key = accessTokenKey(vhost, token);
    const entry = await store.get(key);
    if (entry === undefined) throw tokenRefusal(UNKNOWN);
    try {
      await store.delete(key, entry.revision);
    } catch (error) {
      if (CarillonError.from(error).code === "failed_precondition") throw tokenRefusal(UNKNOWN, error);
      throw error;
    }
    const { bearer, expires } = JSON.parse(entry.value) as { readonly bearer: unknown; readonly expires: number };
    if (expires <= clock.now()) throw tokenRefusal("expired");
    return readBearer(bearer, clock.now());
  }

  async #verify(token: string, category: Category): Promise<Readonly<Record<string, unknown>>> {
    const { clock, secret, vhost } = this.#options;
    const jwt = readJwt(token);
    await verifyJwt(jwt, await secret.get(), { algorithms: ["HS512"], now: clock.now() });
    const { claims } = jwt;
    // The signature does not prove the vhost, because vhosts may be configured with the same secret.
    if (claims["applicationIdentifier"] !== vhost) throw tokenRefusal("wrong vhost");
    if (claims["category"] !== category) throw tokenRefusal(`not a ${category} token`);
    return claims;
  }
}

const UNKNOWN = "unknown, expired or already used";

function readBearer(value: unknown, now: number): Principal {
  let principal: Principal;
  try {
    principal = bearerFromJson(value ?? {});
  } catch (error) {
    throw tokenRefusal("unreadable", error);
  }
  if (principal.expires !== undefined && principal.expires <= now) throw tokenRefusal("its session has ended");
  return principal;
}
