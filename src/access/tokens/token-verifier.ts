import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import type { Store } from "../../store/store.js";
import type { Principal } from "../decide/principal.js";
import { verifySignature } from "../jwt/jwt-refusal.js";
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

/** What a connection token says. */
export interface ConnectionToken {
  readonly id: string;
  readonly principal: Principal;
  readonly settings: ConnectionSettings;
  /** The dialect that it is for; undefined: all that take such tokens. */
  readonly only: string | undefined;
  /** When the token can no more be presented, in milliseconds since the epoch. */
  readonly expires: number;
}

type Category = "connect" | "channel";

/** Checks the tokens that Carillon issued for one vhost. */
export class TokenVerifier {
  readonly #options: VerifierOptions;

  constructor(options: VerifierOptions) {
    this.#options = options;
  }

  /**
   * What a connection token says; nothing is taken.
   * @throws CarillonError unauthenticated, unavailable
   */
  async read(token: string): Promise<ConnectionToken> {
    const claims = await this.#verify(token, "connect");
    const { allowChannelAuthorization, allowChannelSubscription, allowClientSend, exp, id, only } = claims;
    if (typeof id !== "string" || !/^[\w-]{1,64}$/.test(id)) throw tokenRefusal("it has no id");
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
   * The same, and takes the token for a connection.
   * @param dialect - that is spoken on it; undefined: none that tokens are made for
   * @returns what it says, and what lets the next connection have it
   * @throws CarillonError unauthenticated: also when another connection has it. unavailable
   */
  async takeConnection(token: string, dialect?: string): Promise<ConnectionToken & { readonly release: () => void }> {
    const said = await this.read(token);
    if (said.only !== undefined && said.only !== dialect) throw tokenRefusal(`it is for clients of ${said.only} alone`);
    const { expires, id } = said;
    const release = await this.#options.leases.take(leaseKey(this.#options.vhost, id), expires);
    if (release === undefined) throw tokenRefusal("another connection has it");
    return { ...said, release };
  }

  /** @throws CarillonError unauthenticated, unavailable */
  async checkChannel(token: string, channel: string): Promise<void> {
    const claims = await this.#verify(token, "channel");
    if (claims["channel"] !== channel) throw tokenRefusal("it is for another channel");
  }

  /**
   * Uses a single access token up: of several who come with it at once, on any node, one gets in.
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
    if (expires <= clock.now()) throw tokenRefusal("it has expired");
    return readBearer(bearer, clock.now());
  }

  async #verify(token: string, category: Category): Promise<Readonly<Record<string, unknown>>> {
    const { clock, secret, vhost } = this.#options;
    const { claims } = readJwt(token);
    await verifySignature(token, await secret.get(), { algorithms: ["HS512"], now: clock.now() });
    // Vhosts may have been given the same secret.
    if (claims["applicationIdentifier"] !== vhost) throw tokenRefusal("it is for another vhost");
    if (claims["category"] !== category) throw tokenRefusal(`it is no ${category} token`);
    return claims;
  }
}

const UNKNOWN = "it is unknown, expired or used";

function readBearer(value: unknown, now: number): Principal {
  let principal: Principal;
  try {
    principal = bearerFromJson(value ?? {});
  } catch (error) {
    throw tokenRefusal("it says nothing that can be read", error);
  }
  if (principal.expires !== undefined && principal.expires <= now) throw tokenRefusal("its session has ended");
  return principal;
}
