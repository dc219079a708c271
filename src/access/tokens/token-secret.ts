import { createHmac, randomBytes } from "node:crypto";
import { CarillonError } from "../../errors.js";
import type { Store, StoreEntry } from "../../store/store.js";
import { readSecret } from "../jwt/jwt-key.js";
import { secretKey } from "./token-records.js";

/** Length of a secret: that of HS512's hash. Source: RFC 7518 §3.2. */
const SECRET_BYTES = 64;

/** Secret that signs a vhost's tokens. */
export class TokenSecret {
  readonly #find: () => Promise<Uint8Array>;
  #secret: Promise<Uint8Array> | undefined;

  private constructor(find: () => Promise<Uint8Array>) {
    this.#find = find;
  }

  /** Returns the configured secret. @throws CarillonError invalid_argument: shorter than 64 bytes */
  static configured(secret: string): TokenSecret {
    const { key } = readSecret(secret, ["HS512"], false);
    return new TokenSecret(() => Promise.resolve(key as Uint8Array));
  }

  /** Returns the secret in the store. The first node that needs it creates it. */
  static stored(store: Store, vhost: string): TokenSecret {
    return new TokenSecret(() => findOrCreate(store, secretKey(vhost)));
  }

  /** @throws CarillonError unavailable: the store cannot be reached */
  get(): Promise<Uint8Array> {
    this.#secret ??= this.#find().catch((error: unknown) => {
      this.#secret = undefined;
      throw error;
    });
    return this.#secret;
  }

  /**
   * Derives a key for another purpose than tokens.
   * @param purpose - text that no other use of the secret signs
   * @throws CarillonError unavailable: the store cannot be reached
   */
  async deriveKey(purpose: string): Promise<Uint8Array> {
    return createHmac("sha256", await this.get())
      .update(`key\n${purpose}`)
      .digest();
  }
}

async function findOrCreate(store: Store, key: string): Promise<Uint8Array> {
  const existing = await store.get(key);
  if (existing !== undefined) return readStored(existing);
  const created = randomBytes(SECRET_BYTES);
  try {
    await store.create(key, created.toString("base64url"));
    return created;
  } catch (error) {
    if (CarillonError.from(error).code !== "already_exists") throw error;
  }
  const entry = await store.get(key);
  if (entry === undefined)
    throw new CarillonError("unavailable", "the vhost's token secret is not loaded yet: try again");
  return readStored(entry);
}

/** Decodes a stored secret. @throws CarillonError internal: a shorter secret is damaged, and would make tokens forgeable */
function readStored({ key, value }: StoreEntry): Uint8Array {
  const secret = Buffer.from(value, "base64url");
  if (secret.length >= SECRET_BYTES) return secret;
  throw new CarillonError("internal", `store entry ${key} is damaged: expected ${SECRET_BYTES} bytes of base64url`);
}
