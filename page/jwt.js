/** Signs a JWT with HS256 in the page, so that the secret never leaves it. */
export async function signJwt(secret, claims) {
  if (globalThis.crypto?.subtle === undefined) {
    throw new Error("This page cannot sign the token: browsers sign only on pages loaded by HTTPS or from localhost.");
  }
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", encodeUtf8(secret), algorithm, false, ["sign"]);
  const parts = [{ alg: "HS256", typ: "JWT" }, claims];
  const text = parts.map((part) => base64url(encodeUtf8(JSON.stringify(part)))).join(".");
  const signature = await crypto.subtle.sign(algorithm, key, encodeUtf8(text));
  return `${text}.${base64url(new Uint8Array(signature))}`;
}

function encodeUtf8(text) {
  return new TextEncoder().encode(text);
}

function base64url(bytes) {
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
