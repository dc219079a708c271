import { CarillonError } from "../errors.js";
import { readInfo, readPermissions, readUser } from "./claims.js";
import { isObject } from "./json.js";
import type { Permissions } from "./permissions.js";
import type { JsonObject, Principal } from "./principal.js";

/** Whom the bearer of an issued token acts for. */
export interface Bearer {
  /** Undefined: an anonymous client. */
  readonly user?: string | undefined;
  readonly info?: JsonObject | undefined;
  readonly permissions?: Permissions | undefined;
  /** When the session ends, in milliseconds since the epoch. */
  readonly sessionExpires?: number | undefined;
}

/** What a rootsocket connection may do; clients read it from their token. */
export interface ConnectionSettings {
  readonly allowClientSend: boolean;
  readonly allowChannelSubscription: boolean;
  readonly allowChannelAuthorization: boolean;
}

/** Source: rootsocket's defaults. */
export const DEFAULT_SETTINGS: ConnectionSettings = {
  allowClientSend: false,
  allowChannelSubscription: true,
  allowChannelAuthorization: true,
};

/** A bearer as tokens hold it. What is not there is left out. */
export function bearerToJson({ info, permissions, sessionExpires, user }: Bearer): JsonObject {
  return JSON.parse(JSON.stringify({ user, info, permissions, sessionExpires })) as JsonObject;
}

/**
 * Checks what a backend wants to have in a token, before it is.
 * @throws CarillonError invalid_argument
 */
export function checkBearer({ info, permissions, sessionExpires, user }: Bearer): void {
  if (user !== undefined) readUser(user, "user");
  readInfo(info, "info");
  readPermissions(permissions?.grants, "permissions");
  if (sessionExpires !== undefined && !Number.isFinite(sessionExpires)) {
    throw new CarillonError("invalid_argument", "session_expires is no time");
  }
}

/** @throws CarillonError invalid_argument: nothing that Carillon has written */
export function bearerFromJson(value: unknown): Principal {
  if (!isObject(value)) throw new CarillonError("invalid_argument", "no bearer");
  const { info, permissions, sessionExpires, user } = value;
  return {
    user: user === undefined ? undefined : readUser(user, "user"),
    permissions: readPermissions(permissions, "permissions"),
    info: readInfo(info, "info"),
    expires: typeof sessionExpires === "number" ? sessionExpires : undefined,
  };
}
