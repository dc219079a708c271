import type { BackendAction } from "../../../src/access/decide/actions.js";
import type { BackendDirectory } from "../../../src/access/keys/backend.js";
import { hashKey } from "../../../src/access/keys/key-secret.js";
import { Keyring } from "../../../src/access/keys/keyring.js";
import { systemClock } from "../../../src/util/system-clock.js";

/** Directory that requires no key. */
export function everybody(): BackendDirectory {
  return new Keyring({ clock: systemClock, open: true, hasVhost: () => true });
}

export interface TestKey {
  readonly vhost?: string;
  readonly actions: readonly ("*" | BackendAction)[];
  readonly topics?: readonly string[];
}

/** Real keyring with secrets derived from the keys' names: `carillon_NAME`. */
export class TestKeys {
  readonly keyring = new Keyring({ clock: systemClock, open: false, hasVhost: () => true });
  readonly #keys: Readonly<Record<string, TestKey>>;

  constructor(keys: Readonly<Record<string, TestKey>>) {
    this.#keys = keys;
    this.keep(...Object.keys(keys));
  }

  /** Revokes all other keys. */
  keep(...names: readonly string[]): void {
    const vhosts = new Set(Object.values(this.#keys).map(({ vhost = "/" }) => vhost));
    for (const vhost of vhosts) {
      const scopes = Object.entries(this.#keys)
        .filter(([name, key]) => (key.vhost ?? "/") === vhost && names.includes(name))
        .map(([name, { actions, topics = [] }]) => {
          return {
            id: name,
            name,
            hash: hashKey(secretOf(name)),
            actions,
            topics,
            created: undefined,
            configured: true,
          };
        });
      this.keyring.replace(vhost, { keys: scopes, certificates: [] });
    }
  }
}

export function secretOf(name: string): string {
  return `carillon_${name}`;
}

/** Headers with which a backend presents its key. */
export function bearer(name: string): { readonly authorization: string } {
  return { authorization: `Bearer ${secretOf(name)}` };
}
