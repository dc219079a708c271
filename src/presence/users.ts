import type { Member } from "./presence.js";
import type { PresenceEntry } from "./presence-entry.js";

/** Different users of a place; each anonymous client counts as one. */
export class Users {
  readonly #connections = new Map<string, number>();
  #anonymous = 0;

  constructor(entries: Iterable<PresenceEntry>) {
    for (const { member } of entries) this.add(member);
  }

  get count(): number {
    return this.#connections.size + this.#anonymous;
  }

  add({ user }: Member): void {
    if (user === "") this.#anonymous += 1;
    else this.#connections.set(user, (this.#connections.get(user) ?? 0) + 1);
  }

  remove({ user }: Member): void {
    const left = (this.#connections.get(user) ?? 0) - 1;
    if (user === "") this.#anonymous -= 1;
    else if (left > 0) this.#connections.set(user, left);
    else this.#connections.delete(user);
  }
}
