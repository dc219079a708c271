import { randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { SignJWT } from "jose";
import { inRoot } from "../../scripts/lib/paths.mjs";

/** Key that this site and the node share; `jwt.secret_file` in carillon.yaml names it, too. */
const SECRET_FILE = inRoot(".cache", "example-secret");

/** Seconds for which a token is valid. The client asks for the next one at 80 % of them. */
const TOKEN_LIFE = 300;

/**
 * Makes the route `POST /login`, which answers with a token for the name in the body. Replace it by the login of your
 * application: a name alone proves nothing.
 */
export function createLogin() {
  const secret = readSecret();
  return async (body) => {
    const name = readName(body);
    if (!name) return { status: 400, body: "Please use 1 to 30 characters." };
    const token = await new SignJWT({ sub: name })
      .setProtectedHeader({ alg: "HS256" })
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1_000) + TOKEN_LIFE)
      .sign(secret);
    return { body: token };
  };
}

function readName(body) {
  const name = body.trim();
  return name.length <= 30 && !/\p{C}/u.test(name) ? name : undefined;
}

function readSecret() {
  mkdirSync(dirname(SECRET_FILE), { recursive: true });
  // A link appears with its content, and never replaces a secret that another example has made.
  const draft = `${SECRET_FILE}-${process.pid}`;
  writeFileSync(draft, randomBytes(32).toString("hex"), { mode: 0o600 });
  try {
    linkSync(draft, SECRET_FILE);
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  } finally {
    rmSync(draft);
  }
  return readFileSync(SECRET_FILE);
}
