import { CarillonError } from "../../errors.js";
import { isObject } from "../../util/json.js";
import { readInfo, readInfoText } from "../decide/info.js";
import type { Permissions } from "../decide/permissions.js";
import type { JsonObject, Principal } from "../decide/principal.js";
import { readPermissions, readUser } from "../jwt/claims.js";

/** Identity and permissions in an issued token. */
export interface Bearer {
  /** Undefined for an anonymous client. */
  readonly user?: string | undefined;
  /** JSON text of an object. */
  readonly info?: string | undefined;
  readonly permissions?: Permissions | undefined;
  /** Expiry of the session, in milliseconds since the epoch. */
  readonly sessionExpires?: number | undefined;
}

/** Rights in a connection token. Some dialects enforce them, and clients read them from their token. */
export interface ConnectionSettings {
  readonly allowClientSend: boolean;
  readonly allowChannelSubscription: boolean;
  readonly allowChannelAuthorization: boolean;
}

export const DEFAULT_SETTINGS: ConnectionSettings = {
  allowClientSend: false,
  allowChannelSubscription: true,
  allowChannelAuthorization: true,
};

/** Converts a bearer to the token's claim. Undefined members are left out. */
export function bearerToJson({ info, permissions, sessionExpires, user }: Bearer): JsonObject {
  return JSON.parse(JSON.stringify({ user, ...infoToJson(info), permissions, sessionExpires })) as JsonObject;
}

/** Stores nested info, and info that parsing would change, as a string with its JSON text. */
function infoToJson(info: string | undefined): { readonly info?: unknown; readonly info_json?: string } {
  if (info === undefined) return {};
  const value = JSON.parse(info) as object;
  const isFlat = Object.values(value).every((member) => typeof member !== "object" || member === null);
  return isFlat && JSON.stringify(value) === info ? { info: value } : { info_json: info };
}

/**
 * Checks the bearer of a token that a backend has requested.
 * @throws CarillonError invalid_argument
 */
export function checkBearer({ info, permissions, sessionExpires, user }: Bearer): void {
  if (user !== undefined) readUser(user, "user");
  if (info !== undefined) readInfoText(info, "info");
  readPermissions(permissions?.grants, "permissions");
  if (sessionExpires !== undefined && !Number.isFinite(sessionExpires)) {
    throw new CarillonError("invalid_argument", "session_expires is not a valid time");
  }
}

/** Reads the claim written by `bearerToJson`. @throws CarillonError invalid_argument: an invalid claim */
export function bearerFromJson(value: unknown): Principal {
  if (!isObject(value)) throw new CarillonError("invalid_argument", "bearer is not an object");
  const { info, info_json: infoText, permissions, sessionExpires, user } = value;
  return {
    user: user === undefined ? undefined : readUser(user, "user"),
    permissions: readPermissions(permissions, "permissions"),
    info: typeof infoText === "string" ? readInfoText(infoText, "info") : readInfo(info, "info"),
    expires: typeof sessionExpires === "number" ? sessionExpires : undefined,
  };
}
