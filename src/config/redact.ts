import type { Json, JsonObject } from "../access/decide/principal.js";

/** Settings that hold secrets or their hashes. */
const SECRET = new Set(["secret", "key", "hash", "access_token", "password", "password_hash", "token"]);

/** Settings that are URLs, whose queries may hold secrets. */
const URLS: ReadonlySet<string> = new Set(["url", "jwks_url"]);

/** Settings that name local files. Remote callers may not make a node read files. */
const FILES: ReadonlySet<string> = new Set(["secret_file", "public_key_file", "access_token_file", "key_file"]);

/** Replaces the value of a setting that holds a secret or its hash, and user names and passwords in URLs. */
export function redactSetting(key: string, value: Json): Json {
  if (SECRET.has(key)) return "(not shown)";
  return redactValue(value, key);
}

function redactText(text: string, key: string): string {
  // The query may hold an issuer's key.
  const shown = URLS.has(key) ? text.replace(/\?.*/s, "?(not shown)") : text;
  if (!/^\s*[a-z][a-z\d+.-]*:\/\//i.test(shown)) return shown;
  // The password of a malformed URL may contain any character.
  const user = URL.canParse(shown) ? /\/\/[^/?#\\]*@/ : /\/\/.*@/s;
  return shown.replace(user, "//(not shown)@");
}

/** Replaces secrets in settings, so that they can be shown. */
export function redactSecrets(settings: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, redactSetting(key, value)]));
}

function redactValue(value: Json, key = ""): Json {
  if (Array.isArray(value)) return value.map((entry: Json) => redactValue(entry));
  if (typeof value === "string") return redactText(value, key);
  return typeof value === "object" && value !== null ? redactSecrets(value as JsonObject) : value;
}

/** Lists the settings that name files, with the files, by path. */
export function listFileSettings(settings: Json, path = ""): readonly (readonly [path: string, file: string])[] {
  if (typeof settings !== "object" || settings === null) return [];
  return Object.entries(settings).flatMap(([key, value]: [string, Json]) => {
    const inner = path === "" ? key : `${path}.${key}`;
    return FILES.has(key) && typeof value === "string" ? [[inner, value] as const] : listFileSettings(value, inner);
  });
}

/** Finds the first setting that names a file, and returns its path; undefined for none. */
export function findFileSetting(settings: Json, path = "settings"): string | undefined {
  if (typeof settings !== "object" || settings === null) return undefined;
  for (const [key, value] of Object.entries(settings)) {
    const found = FILES.has(key) ? `${path}.${key}` : findFileSetting(value, `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
