import type {
  CreateAccessTokenRequest,
  CreateChannelTokenRequest,
  CreateConnectionTokenRequest,
  TokenService,
} from "../../../gen/carillon/v1/token_pb.js";
import type { Permissions as PermissionsMessage } from "../../../gen/carillon/v1/types_pb.js";
import type { BackendAction } from "../../access/decide/actions.js";
import type { Permissions } from "../../access/decide/permissions.js";
import { readPermissions } from "../../access/jwt/claims.js";
import type { Backend } from "../../access/keys/backend.js";
import type { Bearer, ConnectionSettings } from "../../access/tokens/token-claims.js";
import type { Issued } from "../../access/tokens/token-issuer.js";
import { checkTopic } from "../../control/checks.js";
import { checkDelegation } from "../../control/delegation.js";
import type { ImplementationOf, RpcCall } from "../service.js";
import { durationToMilliseconds, readInfoFields, toMilliseconds, toTimestamp } from "../values.js";

/** Action that each method needs. */
export const TOKEN_ACTIONS: Readonly<Record<keyof typeof TokenService.method, BackendAction>> = {
  createConnectionToken: "tokens",
  createChannelToken: "tokens",
  createAccessToken: "tokens",
};

/** Issues tokens for the clients of one vhost. Lifetimes are in milliseconds; undefined: the longest, or the default. */
export interface TokenServiceIssuer {
  createConnectionToken(bearer: Bearer, settings: Partial<ConnectionSettings>, lifetime?: number): Promise<Issued>;
  createChannelToken(channel: string, lifetime?: number): Promise<Issued>;
  createAccessToken(bearer: Bearer, lifetime?: number): Promise<Issued>;
}

/** Implements carillon.v1.TokenService. */
export class TokenImplementation implements ImplementationOf<typeof TokenService> {
  readonly #issuerFor: (vhost: string) => TokenServiceIssuer;

  /** @param issuerFor - throws CarillonError not_found for an unknown vhost */
  constructor(issuerFor: (vhost: string) => TokenServiceIssuer) {
    this.#issuerFor = issuerFor;
  }

  async createConnectionToken(request: CreateConnectionTokenRequest, { backend }: Pick<RpcCall, "backend">) {
    const { allowChannelAuthorization, allowChannelSubscription, allowClientSend, lifetime } = request;
    const issuer = this.#issuerFor(backend.vhost);
    const settings = pickPresent({ allowChannelAuthorization, allowChannelSubscription, allowClientSend });
    return toTokenMessage(
      await issuer.createConnectionToken(
        readBearer(backend, request),
        settings,
        durationToMilliseconds("lifetime", lifetime),
      ),
    );
  }

  async createChannelToken({ channel, lifetime }: CreateChannelTokenRequest, { backend }: Pick<RpcCall, "backend">) {
    checkTopic(backend, "channel", channel);
    return toTokenMessage(
      await this.#issuerFor(backend.vhost).createChannelToken(channel, durationToMilliseconds("lifetime", lifetime)),
    );
  }

  async createAccessToken(request: CreateAccessTokenRequest, { backend }: Pick<RpcCall, "backend">) {
    const issuer = this.#issuerFor(backend.vhost);
    return toTokenMessage(
      await issuer.createAccessToken(
        readBearer(backend, request),
        durationToMilliseconds("lifetime", request.lifetime),
      ),
    );
  }
}

function toTokenMessage({ expires, token }: Issued) {
  return { token, expires: toTimestamp(expires) };
}

/** @throws CarillonError invalid_argument; permission_denied: permissions for topics that the backend may not use */
function readBearer(backend: Backend, request: CreateConnectionTokenRequest | CreateAccessTokenRequest): Bearer {
  const { permissions, sessionExpires, user } = request;
  return {
    user: user === "" ? undefined : user,
    info: readInfoFields(request),
    permissions: permissions === undefined ? undefined : readDelegated(backend, permissions),
    sessionExpires: toMilliseconds("session_expires", sessionExpires),
  };
}

function readDelegated(backend: Backend, { call, history, join, presence, publish }: PermissionsMessage): Permissions {
  const permissions = readPermissions({ call, history, join, presence, publish }, "permissions");
  checkDelegation(backend, [...join, ...publish, ...presence, ...call, ...history]);
  return permissions;
}

/** Keeps the settings that are present. The vhost decides the others. */
function pickPresent(settings: { readonly [Name in keyof ConnectionSettings]: boolean | undefined }) {
  const entries = Object.entries(settings).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Partial<ConnectionSettings>;
}
