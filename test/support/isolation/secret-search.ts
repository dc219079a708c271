import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hashKey } from "../../../src/access/keys/key-secret.js";

/** Secrets with names for failure messages, which must not show the secrets. */
export class Secrets {
  readonly #known = new Map<string, string>();

  /** Names in order, without duplicates. */
  get names(): string[] {
    return [...new Set(this.#known.values())].toSorted();
  }

  /** Records a secret and returns it. */
  add(name: string, secret: string): string {
    if (secret.length < 8) throw new Error(`${name}: too short to be searched for`);
    this.#known.set(secret, name);
    return secret;
  }

  /** Returns the names of the secrets that a text contains in any form. */
  foundIn(text: string): string[] {
    return this.#namesOf((secret) => formsOf(secret).some((form) => text.includes(form)));
  }

  /** Returns the names of the secrets whose hash a text contains. */
  hashesFoundIn(text: string): string[] {
    return this.#namesOf((secret) => text.includes(hashKey(secret)));
  }

  #namesOf(wanted: (secret: string) => boolean): string[] {
    const found = [...this.#known].filter(([secret]) => wanted(secret)).map(([, name]) => name);
    return [...new Set(found)].toSorted();
  }
}

/** Returns the content of all files of a folder. */
export function contentOf(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map(({ name, parentPath }) => readFileSync(join(parentPath, name), "latin1")).join("\n");
}

/** Returns the forms in which a secret may appear, including Base64 of a longer text at any of the three offsets. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const encoded = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
    // Leaves out the characters that depend on neighbouring bytes.
    return text.slice(offset === 0 ? 0 : 4, text.length - 4);
  });
  // The signature alone completes a JWT whose other parts can be guessed.
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
