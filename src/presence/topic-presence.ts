import type { PresenceStep } from "./difference.js";
import { PresenceListing } from "./listing.js";
import type { Member, PresenceChange } from "./presence.js";
import type { PresenceEntry } from "./presence-entry.js";
import { PresenceWatchers, type PresenceWatchersOptions } from "./presence-watchers.js";

/** A topic with members or watchers. Its list and its number of users are maintained once they have been read. */
export class TopicPresence {
  readonly key: string;
  /** Members by connection. */
  readonly #entries = new Map<string, PresenceEntry>();
  #listing: PresenceListing | undefined;
  #users: Users | undefined;
  #watchers: PresenceWatchers | undefined;

  constructor(key: string) {
    this.key = key;
  }

  get count(): number {
    return this.#entries.size;
  }

  get users(): number {
    this.#users ??= new Users(this.#entries.values());
    return this.#users.count;
  }

  /** Whether the topic has neither members nor watchers. */
  get idle(): boolean {
    return this.#entries.size === 0 && this.#watchers === undefined;
  }

  /** Members, ordered by connection. */
  get members(): readonly Member[] {
    this.#listing ??= new PresenceListing(this.#entries.values());
    return this.#listing.read();
  }

  get(connectionId: string): PresenceEntry | undefined {
    return this.#entries.get(connectionId);
  }

  add(entry: PresenceEntry): void {
    const { member } = entry;
    const known = this.#entries.get(member.connectionId);
    // A connection is a member at most once, so the latest entry replaces an earlier one.
    if (known !== undefined) this.remove(known);
    this.#entries.set(member.connectionId, entry);
    this.#users?.add(member);
    this.#note({ member, here: true });
  }

  /** Removes an entry. Does nothing when a newer entry of the connection exists. */
  remove(entry: PresenceEntry, leaveInfo?: string): void {
    const { member } = entry;
    if (this.#entries.get(member.connectionId) !== entry) return;
    this.#entries.delete(member.connectionId);
    this.#users?.remove(member);
    this.#note({ member, here: false, leaveInfo });
  }

  /** @returns a function that ends the watch */
  watch(onChange: (change: PresenceChange) => void, options: PresenceWatchersOptions): () => void {
    this.#watchers ??= new PresenceWatchers(() => this.count, options);
    const end = this.#watchers.add(onChange);
    return () => {
      end();
      if (this.#watchers?.size === 0) this.#watchers = undefined;
    };
  }

  /** Stops all reports. */
  end(): void {
    this.#watchers?.end();
  }

  #note(step: PresenceStep): void {
    this.#watchers?.note(step);
    this.#listing?.note(step);
    if (this.#listing?.outdated === true) this.#listing = undefined;
  }
}

/** Counts the distinct users of a topic; each anonymous client counts as one. */
class Users {
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
