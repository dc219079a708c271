import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hashKey } from "../../../src/access/keys/key-secret.js";

/** Secrets by what they are called in a failure, which does not show them. */
export class Secrets {
  readonly #known = new Map<string, string>();

  /** Sorted, each once. */
  get names(): string[] {
    return [...new Set(this.#known.values())].toSorted();
  }

  /** Remembers a secret, and gives it back. */
  add(name: string, secret: string): string {
    if (secret.length < 8) throw new Error(`${name}: too short to be searched for`);
    this.#known.set(secret, name);
    return secret;
  }

  /** Names of the secrets that a text holds, in whichever form. */
  foundIn(text: string): string[] {
    return this.#namesOf((secret) => formsOf(secret).some((form) => text.includes(form)));
  }

  /** Names of those whose hash it holds. */
  hashesFoundIn(text: string): string[] {
    return this.#namesOf((secret) => text.includes(hashKey(secret)));
  }

  #namesOf(wanted: (secret: string) => boolean): string[] {
    const found = [...this.#known].filter(([secret]) => wanted(secret)).map(([, name]) => name);
    return [...new Set(found)].toSorted();
  }
}

/** All that a folder's files hold. */
export function contentOf(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map(({ name, parentPath }) => readFileSync(join(parentPath, name), "latin1")).join("\n");
}

/** A secret as it may be written somewhere: also inside of something that is encoded, at any of the three offsets. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const encoded = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
    // What the bytes before and after it change is left out.
    return text.slice(offset === 0 ? 0 : 4, text.length - 4);
  });
  // The signature alone is enough to make a JWT of what can be guessed.
  const signature = /^[\w-]+\.[\w-]+\.([\w-]{20,})$/.exec(secret)?.[1];
  return [
    secret,
    ...encoded,
    ...encoded.map((text) => text.replaceAll("+", "-").replaceAll("/", "_")),
    bytes.toString("hex"),
    encodeURIComponent(secret),
    ...(signature === undefined ? [] : [signature]),
  ];
}
