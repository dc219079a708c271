import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Authenticated, Authenticator } from "../../access/authenticators/authenticator.js";
import { readSecretFile } from "../../access/authenticators/vhost-access.js";
import { whenReady } from "../../access/authenticators/when-ready.js";
import type { Terms } from "../../access/decide/principal.js";
import { CarillonError } from "../../errors.js";
import type { WebrocketVhostSettings } from "./settings.js";

/**
 * Authenticates WebRocket's clients in vhosts that have an access token for its backends. A subscriber of a channel may
 * publish on it.
 */
export class WebrocketAuthenticator implements Authenticator {
  readonly terms: Terms = { ignoresOpenRules: false, mayJoin: true, mayPublishToJoined: true };
  readonly #authenticator: Authenticator;

  constructor(authenticator: Authenticator) {
    this.#authenticator = authenticator;
  }

  authenticate(credential: string): Authenticated | Promise<Authenticated> {
    return whenReady(this.#authenticator.authenticate(credential), ({ principal, release }) => {
      return { principal: { ...principal, terms: this.terms }, release };
    });
  }

  checkChannelToken(token: string, channel: string): Promise<void> {
    return this.#authenticator.checkChannelToken(token, channel);
  }
}

/** Format of the secret that WebRocket's backends present. It permits everything in the vhost. */
const ACCESS_TOKEN = /^\w{40}$/;

/** Creates an access token: 160 random bits as 40 hexadecimal digits. */
export function createAccessToken(): string {
  return randomBytes(20).toString("hex");
}

/**
 * Reads the access token from the vhost's settings; undefined if they have none.
 * @throws CarillonError invalid_argument: the file contains no token; failed_precondition: the file cannot be read
 */
export function readAccessToken(settings: WebrocketVhostSettings): string | undefined {
  const { access_token: configured, access_token_file: file } = settings;
  if (configured !== undefined) return configured;
  const token = readSecretFile("webrocket.access_token_file", file);
  if (token === undefined || ACCESS_TOKEN.test(token)) return token;
  const text = `webrocket.access_token_file: ${file} must contain 40 letters, digits and _ only`;
  throw new CarillonError("invalid_argument", text);
}

/** Compares a presented secret with the expected one, in constant time. */
export function isSecret(shown: string, secret: string): boolean {
  return timingSafeEqual(hash(shown), hash(secret));
}

/** Hashes a secret, because timingSafeEqual needs inputs of the same length. */
function hash(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
