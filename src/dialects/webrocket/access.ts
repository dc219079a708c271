import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Authenticated, Authenticator } from "../../access/authenticators/authenticator.js";
import { readSecretFile } from "../../access/authenticators/vhost-access.js";
import type { Terms } from "../../access/decide/principal.js";
import { CarillonError } from "../../errors.js";
import type { WebrocketVhostSettings } from "./settings.js";

/** Authenticates WebRocket's clients, in the vhosts that its backends use: a subscriber of a channel may publish on it. */
export class WebrocketAuthenticator implements Authenticator {
  readonly terms: Terms = { confined: false, joins: true, sends: true };
  readonly #authenticator: Authenticator;

  constructor(authenticator: Authenticator) {
    this.#authenticator = authenticator;
  }

  async authenticate(credential: string): Promise<Authenticated> {
    const { principal, release } = await this.#authenticator.authenticate(credential);
    return { principal: { ...principal, terms: this.terms }, release };
  }

  checkChannelToken(token: string, channel: string): Promise<void> {
    return this.#authenticator.checkChannelToken(token, channel);
  }
}

/** Format of the secret that WebRocket's backends show; it allows everything in the vhost. */
const ACCESS_TOKEN = /^\w{40}$/;

/** 160 random bits as 40 hexadecimal digits. */
export function createAccessToken(): string {
  return randomBytes(20).toString("hex");
}

/**
 * The token of the vhost's settings; undefined where it has none.
 * @throws CarillonError invalid_argument: the file holds none. failed_precondition: it cannot be read
 */
export function readAccessToken(settings: WebrocketVhostSettings): string | undefined {
  const { access_token: given, access_token_file: file } = settings;
  if (given !== undefined) return given;
  const token = readSecretFile("webrocket.access_token_file", file);
  if (token === undefined || ACCESS_TOKEN.test(token)) return token;
  const text = `webrocket.access_token_file: ${file} has to hold 40 letters, digits and _, and nothing else`;
  throw new CarillonError("invalid_argument", text);
}

/** Whether a secret is the one that was shown, in constant time. */
export function isSecret(shown: string, secret: string): boolean {
  return timingSafeEqual(hash(shown), hash(secret));
}

/** Digests have the same length, whatever was shown. */
function hash(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
