/** Signs a JWT with HS256 in the page, so that the secret never leaves it. */
export async function signed(secret, claims) {
  if (globalThis.crypto?.subtle === undefined) {
    throw new Error("Browsers sign only on pages that came by https or from this machine: sign the token elsewhere.");
  }
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytesOf(secret), algorithm, false, ["sign"]);
  const parts = [{ alg: "HS256", typ: "JWT" }, claims];
  const text = parts.map((part) => base64url(bytesOf(JSON.stringify(part)))).join(".");
  const signature = await crypto.subtle.sign(algorithm, key, bytesOf(text));
  return `${text}.${base64url(new Uint8Array(signature))}`;
}

function bytesOf(text) {
  return new TextEncoder().encode(text);
}

function base64url(bytes) {
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
