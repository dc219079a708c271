import type { Cluster } from "../cluster/cluster.js";
import { OwnItems } from "../cluster/own-items.js";
import type { PageAnswer } from "../cluster/replica-messages.js";
import { Replicas } from "../cluster/replicas.js";
import { ignore } from "../util/ignore.js";
import type { Member, Presence, PresenceChange, TopicAddress } from "./presence.js";
import { isSameUser, type PresenceEntry, presenceEntryKey } from "./presence-entry.js";
import {
  COUNT_INTERVAL,
  type MemberChanges,
  PRESENCE_CHANGES,
  PRESENCE_COUNT,
  PRESENCE_PAGE,
  type PresenceFarewell,
  type PresencePageRequest,
  shrinker,
} from "./presence-messages.js";
import type { PresenceWatchersOptions } from "./presence-watchers.js";
import { TopicPresence } from "./topic-presence.js";

export interface ClusterPresenceOptions extends PresenceWatchersOptions {
  /** Not started yet, or nodes are missed. */
  readonly cluster: Cluster;
}

/**
 * Presence on all nodes: each speaks for its own members, and every node holds them all. A node that is lost takes its
 * members with it, and brings them back when it is heard again.
 */
export class ClusterPresence implements Presence {
  readonly #options: ClusterPresenceOptions;
  readonly #rooms = new Map<string, TopicPresence>();
  readonly #own: OwnItems<PresenceEntry, PresenceFarewell>;
  readonly #others: Replicas<PresenceEntry, PresenceFarewell>;
  #stopped = false;
  #cancelCount: (() => void) | undefined;

  constructor(options: ClusterPresenceOptions) {
    const { cluster, endOfTurn } = options;
    this.#options = options;
    this.#own = new OwnItems({
      weigh: ({ member }) => member.info.length,
      endOfTurn,
      wanted: () => !this.#stopped && cluster.nodes.size > 1,
      tell: (changes) => {
        cluster.tell(PRESENCE_CHANGES, changes);
      },
    });
    this.#others = new Replicas<PresenceEntry, PresenceFarewell>({
      nodes: () => [...cluster.nodes].filter((node) => node !== cluster.node),
      ask: (cursors) => cluster.ask(PRESENCE_PAGE, { cursors }),
      pageOf: (answer) => this.#pageOf(answer as unknown as PageAnswer<PresenceEntry>),
      events: {
        onAdded: (entry) => {
          this.#roomOf(entry.key).add(entry);
        },
        onRemoved: (entry, farewell) => {
          this.#remove(entry, farewell);
        },
      },
      lost: null,
    });
    this.#listen(cluster);
  }

  /** Resolves when the nodes that answered have been read. The cluster is started before. */
  async start(): Promise<void> {
    this.#tellCountLater();
    // Nodes that could not be read are read when they are heard the next time.
    await this.#others.read().catch(ignore);
  }

  /** Others are told what has changed, and nothing after that. Before the cluster stops. */
  stop(): void {
    this.#own.flush();
    this.#stopped = true;
    this.#cancelCount?.();
    this.#others.end();
    for (const room of this.#rooms.values()) room.end();
  }

  enter(place: TopicAddress, { connectionId, info, joined, user }: Member, hidden: boolean): void {
    if (hidden) {
      this.leave(place, connectionId);
      return;
    }
    const room = this.#roomOf(presenceEntryKey(place));
    const member = { connectionId, user, info, joined };
    const known = room.get(connectionId);
    if (known !== undefined && this.#own.has(known)) {
      if (isSameUser(known.member, member)) return;
      this.#own.remove(known, null);
    }
    room.add(this.#own.add((id) => ({ id, key: room.key, member })));
  }

  leave(place: TopicAddress, connectionId: string, farewell?: string): void {
    const entry = this.#rooms.get(presenceEntryKey(place))?.get(connectionId);
    if (entry === undefined || !this.#own.has(entry)) return;
    this.#own.remove(entry, farewell ?? null);
    this.#remove(entry, farewell ?? null);
  }

  members(place: TopicAddress): readonly Member[] {
    return this.#rooms.get(presenceEntryKey(place))?.members ?? [];
  }

  count(place: TopicAddress): number {
    return this.#rooms.get(presenceEntryKey(place))?.count ?? 0;
  }

  users(place: TopicAddress): number {
    return this.#rooms.get(presenceEntryKey(place))?.users ?? 0;
  }

  watch(place: TopicAddress, onChange: (change: PresenceChange) => void): () => void {
    const room = this.#roomOf(presenceEntryKey(place));
    const end = room.watch(onChange, this.#options);
    return () => {
      end();
      this.#forgetIdle(room);
    };
  }

  #listen(cluster: Cluster): void {
    const { node } = cluster;
    cluster.handle(PRESENCE_CHANGES, (body, from) => {
      if (from !== node) this.#others.takeChanges(from, this.#changesOf(body as unknown as MemberChanges));
      return null;
    });
    cluster.handle(PRESENCE_COUNT, (body, from) => {
      if (from !== node) this.#others.checkCount(from, body as number);
      return null;
    });
    cluster.handle(PRESENCE_PAGE, (body, from) => {
      const { cursors } = body as unknown as PresencePageRequest;
      return from === node || cursors[node] === null ? null : this.#own.page(Number(cursors[node] ?? 0));
    });
    cluster.onNodes(({ here, node: changed }) => {
      this.#others.onNode(changed, here);
    });
  }

  #tellCountLater(): void {
    const { clock, cluster } = this.#options;
    this.#cancelCount = clock.after(COUNT_INTERVAL, () => {
      this.#tellCountLater();
      if (cluster.nodes.size > 1) cluster.tell(PRESENCE_COUNT, this.#own.count);
    });
  }

  #changesOf({ changes, first }: MemberChanges): MemberChanges {
    const shrink = shrinker(this.#keyOfRoom);
    return {
      first,
      changes: changes.map((change) => ("added" in change ? { added: shrink(change.added) } : change)),
    };
  }

  #pageOf({ count, items, more }: PageAnswer<PresenceEntry>): PageAnswer<PresenceEntry> {
    return { count, items: items.map(shrinker(this.#keyOfRoom)), more };
  }

  readonly #keyOfRoom = (key: string): string | undefined => this.#rooms.get(key)?.key;

  #roomOf(key: string): TopicPresence {
    let room = this.#rooms.get(key);
    if (room === undefined) {
      room = new TopicPresence(key);
      this.#rooms.set(key, room);
    }
    return room;
  }

  #remove(entry: PresenceEntry, farewell: PresenceFarewell): void {
    const room = this.#rooms.get(entry.key);
    if (room === undefined) return;
    room.remove(entry, farewell ?? undefined);
    this.#forgetIdle(room);
  }

  #forgetIdle(room: TopicPresence): void {
    if (room.idle && this.#rooms.get(room.key) === room) this.#rooms.delete(room.key);
  }
}
