import { randomBytes } from "node:crypto";
import { CarillonError } from "../../errors.js";
import type { Store, StoreEntry } from "../../store/store.js";
import { readSecret } from "../jwt/jwt-key.js";
import { secretKey } from "./token-records.js";

/** As many as HS512's hash has. Source: RFC 7518 §3.2. */
const SECRET_BYTES = 64;

/** What Carillon signs a vhost's tokens with. */
export class TokenSecret {
  readonly #find: () => Promise<Uint8Array>;
  #secret: Promise<Uint8Array> | undefined;

  private constructor(find: () => Promise<Uint8Array>) {
    this.#find = find;
  }

  /** @throws CarillonError invalid_argument: shorter than 64 bytes */
  static configured(secret: string): TokenSecret {
    const { key } = readSecret(secret, ["HS512"], false);
    return new TokenSecret(() => Promise.resolve(key as Uint8Array));
  }

  /** Made once, when it is first needed, by whichever node is first, and kept in the store. */
  static kept(store: Store, vhost: string): TokenSecret {
    return new TokenSecret(() => findOrMake(store, secretKey(vhost)));
  }

  /** @throws CarillonError unavailable: the store cannot be reached */
  get(): Promise<Uint8Array> {
    this.#secret ??= this.#find().catch((error: unknown) => {
      this.#secret = undefined;
      throw error;
    });
    return this.#secret;
  }
}

async function findOrMake(store: Store, key: string): Promise<Uint8Array> {
  const before = await store.get(key);
  if (before !== undefined) return readKept(before);
  const made = randomBytes(SECRET_BYTES);
  try {
    await store.create(key, made.toString("base64url"));
    return made;
  } catch (error) {
    if (CarillonError.from(error).code !== "already_exists") throw error;
  }
  const entry = await store.get(key);
  if (entry === undefined) throw new CarillonError("unavailable", "the vhost's token secret is not known: try again");
  return readKept(entry);
}

/** @throws CarillonError internal: with fewer bytes, which are damage, tokens could be made up */
function readKept({ key, value }: StoreEntry): Uint8Array {
  const secret = Buffer.from(value, "base64url");
  if (secret.length >= SECRET_BYTES) return secret;
  throw new CarillonError("internal", `store entry ${key} is damaged: expected ${SECRET_BYTES} bytes of base64url`);
}
