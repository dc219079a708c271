import type { Json, JsonObject } from "../access/decide/principal.js";

/** Settings that hold secrets or their hashes. */
const SECRET = new Set(["secret", "key", "hash", "access_token"]);

/** Settings that name local files. Remote callers may not make a node read files. */
const FILES: ReadonlySet<string> = new Set(["secret_file", "public_key_file", "access_token_file"]);

/** Replaces secrets in settings, so that they can be shown. */
export function redactSecrets(settings: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [key, SECRET.has(key) ? "(not shown)" : redactValue(value, key)]),
  );
}

function redactValue(value: Json, key = ""): Json {
  if (Array.isArray(value)) return value.map((entry: Json) => redactValue(entry));
  // The query may hold an issuer's key.
  if (key === "jwks_url" && typeof value === "string") return value.replace(/\?.*/s, "?(not shown)");
  return typeof value === "object" && value !== null ? redactSecrets(value as JsonObject) : value;
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
