import type { Cluster } from "../cluster/cluster.js";
import { OwnItems } from "../cluster/own-items.js";
import type { PageAnswer } from "../cluster/replica-messages.js";
import { Replicas } from "../cluster/replicas.js";
import { ignore } from "../util/ignore.js";
import type { Member, Presence, PresenceChange, TopicAddress } from "./presence.js";
import { isSameUser, type PresenceEntry, presenceEntryKey } from "./presence-entry.js";
import {
  COUNT_INTERVAL,
  createShrinker,
  type LeaveInfo,
  type MemberChanges,
  PRESENCE_CHANGES,
  PRESENCE_COUNT,
  PRESENCE_PAGE,
  type PresencePageRequest,
} from "./presence-messages.js";
import type { PresenceWatchersOptions } from "./presence-watchers.js";
import { TopicPresence } from "./topic-presence.js";

export interface ClusterPresenceOptions extends PresenceWatchersOptions {
  /** Must not have started yet, so that the listener misses no node. */
  readonly cluster: Cluster;
}

/**
 * Presence on all nodes. Each node announces its own members, and every node holds a copy of all members. The members of a
 * lost node leave, and rejoin when the node is reachable again.
 */
export class ClusterPresence implements Presence {
  readonly #options: ClusterPresenceOptions;
  readonly #topics = new Map<string, TopicPresence>();
  readonly #own: OwnItems<PresenceEntry, LeaveInfo>;
  readonly #others: Replicas<PresenceEntry, LeaveInfo>;
  #stopped = false;
  #cancelCount: (() => void) | undefined;

  constructor(options: ClusterPresenceOptions) {
    const { cluster, endOfTurn } = options;
    this.#options = options;
    this.#own = new OwnItems({
      weigh: ({ member }) => member.info.length,
      endOfTurn,
      hasReceivers: () => !this.#stopped && cluster.nodes.size > 1,
      send: (changes) => {
        cluster.tell(PRESENCE_CHANGES, changes);
      },
    });
    this.#others = new Replicas<PresenceEntry, LeaveInfo>({
      nodes: () => [...cluster.nodes].filter((node) => node !== cluster.node),
      ask: (cursors) => cluster.ask(PRESENCE_PAGE, { cursors }),
      pageOf: (answer) => this.#shrinkPage(answer as unknown as PageAnswer<PresenceEntry>),
      events: {
        onAdded: (entry) => {
          this.#findOrAdd(entry.key).add(entry);
        },
        onRemoved: (entry, leaveInfo) => {
          this.#remove(entry, leaveInfo);
        },
      },
      lost: null,
    });
    this.#listen(cluster);
  }

  /** Resolves when the members of all nodes that answer have been read. The cluster must have been started. */
  async start(): Promise<void> {
    this.#scheduleCount();
    // Nodes that cannot be read now are read after their next message.
    await this.#others.read().catch(ignore);
  }

  /** Sends the last changes to the other nodes, then stops. Called before the cluster stops. */
  stop(): void {
    this.#own.flush();
    this.#stopped = true;
    this.#cancelCount?.();
    this.#others.end();
    for (const topic of this.#topics.values()) topic.end();
  }

  enter(address: TopicAddress, { connectionId, info, joined, user }: Member, hidden: boolean): void {
    if (hidden) {
      this.leave(address, connectionId);
      return;
    }
    const topic = this.#findOrAdd(presenceEntryKey(address));
    const member = { connectionId, user, info, joined };
    const known = topic.get(connectionId);
    if (known !== undefined && this.#own.has(known)) {
      if (isSameUser(known.member, member)) return;
      this.#own.remove(known, null);
    }
    topic.add(this.#own.add((id) => ({ id, key: topic.key, member })));
  }

  leave(address: TopicAddress, connectionId: string, leaveInfo?: string): void {
    const entry = this.#topics.get(presenceEntryKey(address))?.get(connectionId);
    if (entry === undefined || !this.#own.has(entry)) return;
    this.#own.remove(entry, leaveInfo ?? null);
    this.#remove(entry, leaveInfo ?? null);
  }

  members(address: TopicAddress): readonly Member[] {
    return this.#topics.get(presenceEntryKey(address))?.members ?? [];
  }

  count(address: TopicAddress): number {
    return this.#topics.get(presenceEntryKey(address))?.count ?? 0;
  }

  users(address: TopicAddress): number {
    return this.#topics.get(presenceEntryKey(address))?.users ?? 0;
  }

  watch(address: TopicAddress, onChange: (change: PresenceChange) => void): () => void {
    const topic = this.#findOrAdd(presenceEntryKey(address));
    const end = topic.watch(onChange, this.#options);
    return () => {
      end();
      this.#forgetIdle(topic);
    };
  }

  #listen(cluster: Cluster): void {
    const { node } = cluster;
    cluster.handle(PRESENCE_CHANGES, (body, from) => {
      if (from !== node) this.#others.takeChanges(from, this.#shrinkChanges(body as unknown as MemberChanges));
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
    cluster.onNodes(({ alive, node: changed }) => {
      this.#others.onNode(changed, alive);
    });
  }

  #scheduleCount(): void {
    const { clock, cluster } = this.#options;
    this.#cancelCount = clock.after(COUNT_INTERVAL, () => {
      this.#scheduleCount();
      if (cluster.nodes.size > 1) cluster.tell(PRESENCE_COUNT, this.#own.count);
    });
  }

  #shrinkChanges({ changes, first }: MemberChanges): MemberChanges {
    const shrink = createShrinker(this.#knownKey);
    return {
      first,
      changes: changes.map((change) => ("added" in change ? { added: shrink(change.added) } : change)),
    };
  }

  #shrinkPage({ count, items, more }: PageAnswer<PresenceEntry>): PageAnswer<PresenceEntry> {
    return { count, items: items.map(createShrinker(this.#knownKey)), more };
  }

  readonly #knownKey = (key: string): string | undefined => this.#topics.get(key)?.key;

  #findOrAdd(key: string): TopicPresence {
    let topic = this.#topics.get(key);
    if (topic === undefined) {
      topic = new TopicPresence(key);
      this.#topics.set(key, topic);
    }
    return topic;
  }

  #remove(entry: PresenceEntry, leaveInfo: LeaveInfo): void {
    const topic = this.#topics.get(entry.key);
    if (topic === undefined) return;
    topic.remove(entry, leaveInfo ?? undefined);
    this.#forgetIdle(topic);
  }

  #forgetIdle(topic: TopicPresence): void {
    if (topic.idle && this.#topics.get(topic.key) === topic) this.#topics.delete(topic.key);
  }
}
