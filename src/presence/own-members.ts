import { ChangeLog, type ChangeLogOptions } from "../cluster/change-log.js";
import { PAGE_SIZE, type PageAnswer } from "../cluster/replica-messages.js";
import type { Member } from "./presence.js";
import type { PresenceEntry } from "./presence-entry.js";
import type { PresenceFarewell } from "./presence-messages.js";

/** What one page holds at most of what is known of members, in characters of JSON. */
const LARGEST_PAGE = 512 << 10;

/** The members that this node speaks for. */
export class OwnMembers {
  /** By their ids, in the order of these. */
  readonly #entries = new Map<number, PresenceEntry>();
  readonly #log: ChangeLog<PresenceEntry, PresenceFarewell>;

  constructor(options: ChangeLogOptions<PresenceEntry, PresenceFarewell>) {
    this.#log = new ChangeLog(options);
  }

  /** Of the last change, which others have been told now. */
  get count(): number {
    this.#log.flush();
    return this.#log.count;
  }

  has(entry: PresenceEntry): boolean {
    return this.#entries.get(entry.id) === entry;
  }

  add(key: string, member: Member): PresenceEntry {
    const entry: PresenceEntry = { id: this.#log.count + 1, key, member };
    this.#entries.set(entry.id, entry);
    this.#log.note(() => ({ added: entry }));
    return entry;
  }

  remove({ id }: PresenceEntry, farewell: PresenceFarewell): void {
    this.#entries.delete(id);
    this.#log.note(() => ({ removed: id, why: farewell }));
  }

  flush(): void {
    this.#log.flush();
  }

  page(after: number): PageAnswer<PresenceEntry> {
    const { count } = this;
    const items: PresenceEntry[] = [];
    let characters = 0;
    // Passing over what was read before costs nanoseconds each: no order but that of the map is needed.
    for (const [id, entry] of this.#entries) {
      if (id <= after) continue;
      if (items.length === PAGE_SIZE || characters > LARGEST_PAGE) return { count, items, more: true };
      characters += entry.member.info.length;
      items.push(entry);
    }
    return { count, items, more: false };
  }
}
