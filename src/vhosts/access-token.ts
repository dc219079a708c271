import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { readSecretFile } from "../access/authenticators/vhost-access.js";
import type { VhostSettings } from "../config/vhost.js";
import { CarillonError } from "../errors.js";

/** What WebRocket's backends show; whoever has it may do everything in the vhost. */
const ACCESS_TOKEN = /^\w{40}$/;

/** 160 random bits as 40 hexadecimal digits. */
export function createAccessToken(): string {
  return randomBytes(20).toString("hex");
}

/**
 * The token of the vhost's settings; undefined where it has none.
 * @throws CarillonError invalid_argument: the file holds none. failed_precondition: it cannot be read
 */
export function readAccessToken({ webrocket }: Pick<VhostSettings, "webrocket">): string | undefined {
  if (webrocket.access_token !== undefined) return webrocket.access_token;
  const file = webrocket.access_token_file;
  const token = readSecretFile("webrocket.access_token_file", file);
  if (token === undefined || ACCESS_TOKEN.test(token)) return token;
  const text = `webrocket.access_token_file: ${file} has to hold 40 letters, digits and _, and nothing else`;
  throw new CarillonError("invalid_argument", text);
}

/** Whether a secret is the one that was shown. The time it takes tells nothing of it. */
export function isSecret(shown: string, secret: string): boolean {
  return timingSafeEqual(digestOf(shown), digestOf(secret));
}

/** Of the same length, whatever was shown. */
function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
