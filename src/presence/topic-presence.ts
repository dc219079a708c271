import type { PresenceStep } from "./difference.js";
import { PresenceListing } from "./listing.js";
import type { Member, PresenceChange } from "./presence.js";
import type { PresenceEntry } from "./presence-entry.js";
import { PresenceWatchers, type PresenceWatchersOptions } from "./presence-watchers.js";
import { Users } from "./users.js";

/** A place with somebody in it, or watching it. What only those need who ask is there once somebody has asked. */
export class TopicPresence {
  readonly key: string;
  /** By connection. */
  readonly #entries = new Map<string, PresenceEntry>();
  #listing: PresenceListing | undefined;
  #users: Users | undefined;
  #audience: PresenceWatchers | undefined;

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

  /** Nobody is here, nobody watches. */
  get idle(): boolean {
    return this.#entries.size === 0 && this.#audience === undefined;
  }

  /** By connection. */
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
    // A connection is somewhere once, whoever says so last.
    if (known !== undefined) this.remove(known);
    this.#entries.set(member.connectionId, entry);
    this.#users?.add(member);
    this.#note({ member, here: true });
  }

  /** Does nothing where another one has taken its place. */
  remove(entry: PresenceEntry, farewell?: string): void {
    const { member } = entry;
    if (this.#entries.get(member.connectionId) !== entry) return;
    this.#entries.delete(member.connectionId);
    this.#users?.remove(member);
    this.#note({ member, here: false, farewell });
  }

  /** @returns ends it */
  watch(onChange: (change: PresenceChange) => void, options: PresenceWatchersOptions): () => void {
    this.#audience ??= new PresenceWatchers(() => this.count, options);
    const end = this.#audience.add(onChange);
    return () => {
      end();
      if (this.#audience?.size === 0) this.#audience = undefined;
    };
  }

  /** Nobody is told any more. */
  end(): void {
    this.#audience?.end();
  }

  #note(step: PresenceStep): void {
    this.#audience?.note(step);
    this.#listing?.note(step);
    if (this.#listing?.outdated === true) this.#listing = undefined;
  }
}
