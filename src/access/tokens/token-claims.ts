import { CarillonError } from "../../errors.js";
import { isObject } from "../../util/json.js";
import { readInfo, readInfoText } from "../decide/info.js";
import type { Permissions } from "../decide/permissions.js";
import type { JsonObject, Principal } from "../decide/principal.js";
import { readPermissions, readUser } from "../jwt/claims.js";

/** Whom the bearer of an issued token acts for. */
export interface Bearer {
  /** Undefined: an anonymous client. */
  readonly user?: string | undefined;
  /** JSON text of an object. */
  readonly info?: string | undefined;
  readonly permissions?: Permissions | undefined;
  /** When the session ends, in milliseconds since the epoch. */
  readonly sessionExpires?: number | undefined;
}

/** Rights in a connection token, for dialects that heed them; clients read them from their token. */
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

/** A bearer as tokens hold it. What is undefined is left out. */
export function bearerToJson({ info, permissions, sessionExpires, user }: Bearer): JsonObject {
  return JSON.parse(JSON.stringify({ user, ...infoToJson(info), permissions, sessionExpires })) as JsonObject;
}

/** Info that would lose something when it is read, or is nested, is held as a string that has its JSON text. */
function infoToJson(info: string | undefined): { readonly info?: unknown; readonly info_json?: string } {
  if (info === undefined) return {};
  const value = JSON.parse(info) as object;
  const isFlat = Object.values(value).every((member) => typeof member !== "object" || member === null);
  return isFlat && JSON.stringify(value) === info ? { info: value } : { info_json: info };
}

/**
 * Checks what a backend wants to have in a token, before it is.
 * @throws CarillonError invalid_argument
 */
export function checkBearer({ info, permissions, sessionExpires, user }: Bearer): void {
  if (user !== undefined) readUser(user, "user");
  if (info !== undefined) readInfoText(info, "info");
  readPermissions(permissions?.grants, "permissions");
  if (sessionExpires !== undefined && !Number.isFinite(sessionExpires)) {
    throw new CarillonError("invalid_argument", "session_expires is no time");
  }
}

/** @throws CarillonError invalid_argument: nothing that Carillon has written */
export function bearerFromJson(value: unknown): Principal {
  if (!isObject(value)) throw new CarillonError("invalid_argument", "no bearer");
  const { info, info_json: infoText, permissions, sessionExpires, user } = value;
  return {
    user: user === undefined ? undefined : readUser(user, "user"),
    permissions: readPermissions(permissions, "permissions"),
    info: typeof infoText === "string" ? readInfoText(infoText, "info") : readInfo(info, "info"),
    expires: typeof sessionExpires === "number" ? sessionExpires : undefined,
  };
}
