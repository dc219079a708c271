import type { ConnectionFacts } from "./facts.js";
import type { Change, Changes, PageAnswer } from "./watch-words.js";

/** The close code of a connection of which no close frame is known. Source: RFC 6455 §7.4.1. */
const ABNORMAL = 1_006;

/** Changes that are kept while pages are on their way; beyond that the reading begins anew. */
const MAX_KEPT = 100_000;

/** Told of what changes in the view. */
export interface ViewEvents {
  onOpened(connection: ConnectionFacts): void;
  onClosed(connection: ConnectionFacts, code: number): void;
}

/** Up to an id, a page holds all changes up to a count. */
interface Range {
  /** Undefined: to the end. */
  readonly until: string | undefined;
  readonly count: number;
}

interface Reading {
  readonly ranges: Range[];
  readonly connections: Map<string, ConnectionFacts>;
  /** With the count of each. */
  readonly kept: { readonly count: number; readonly change: Change }[];
}

/**
 * The connections that one node has, as it has told. They are read in pages while they change: what a page holds is
 * known by its count, what came later is kept and made up for. When something was lost on the way it is read anew, and the
 * difference told.
 */
export class WatchView {
  readonly #events: ViewEvents;
  #connections = new Map<string, ConnectionFacts>();
  #ranges: readonly Range[] = [];
  /** Of the last change that is in here; undefined while it is not known what is. */
  #count: number | undefined;
  #reading: Reading | undefined;

  constructor(events: ViewEvents) {
    this.#events = events;
  }

  get connections(): Iterable<ConnectionFacts> {
    return this.#connections.values();
  }

  /** Whether it must be read, and nobody does. */
  get stale(): boolean {
    return this.#count === undefined && this.#reading === undefined;
  }

  /** Where reading goes on: after this id; null where it is not being read. */
  get cursor(): string | null {
    if (this.#reading === undefined) return null;
    return this.#reading.ranges.at(-1)?.until ?? "";
  }

  /** What is here may be wrong. */
  distrust(): void {
    this.#count = undefined;
    this.#reading = undefined;
  }

  /** Begins to read it. */
  read(): void {
    this.#count = undefined;
    this.#reading = { ranges: [], connections: new Map(), kept: [] };
  }

  takePage({ count, items, more }: PageAnswer): void {
    const reading = this.#reading;
    if (reading === undefined) return;
    for (const item of items) reading.connections.set(item.id, item);
    reading.ranges.push({ until: more ? items.at(-1)?.id : undefined, count });
    if (!more) this.#finish(reading);
  }

  takeChanges({ changes, first }: Changes): void {
    for (const [position, change] of changes.entries()) this.#take(first + position, change);
  }

  /** The node says how far it is: behind that something was lost. */
  checkCount(count: number): void {
    if (this.#count !== undefined && this.#count < count) this.distrust();
  }

  /** The node is gone, and its connections with it. */
  end(): void {
    for (const connection of this.#connections.values()) this.#events.onClosed(connection, ABNORMAL);
    this.#connections.clear();
    this.distrust();
  }

  #finish({ connections, kept, ranges }: Reading): void {
    const before = this.#connections;
    this.#connections = connections;
    this.#ranges = ranges;
    this.#reading = undefined;
    this.#count = ranges[0]?.count;
    for (const [id, connection] of before) if (!connections.has(id)) this.#events.onClosed(connection, ABNORMAL);
    for (const [id, connection] of connections) if (!before.has(id)) this.#events.onOpened(connection);
    for (const { change, count } of kept) this.#take(count, change);
  }

  #take(count: number, change: Change): void {
    if (this.#reading !== undefined) {
      this.#reading.kept.push({ count, change });
      if (this.#reading.kept.length > MAX_KEPT) this.distrust();
      return;
    }
    if (this.#count === undefined || count <= this.#count) return;
    if (count > this.#count + 1) {
      this.distrust();
      return;
    }
    this.#count = count;
    if (count > this.#countHeldFor(change.id)) this.#apply(change);
  }

  #countHeldFor(id: string): number {
    return this.#ranges.find(({ until }) => until === undefined || id <= until)?.count ?? 0;
  }

  #apply(change: Change): void {
    const { id } = change;
    const known = this.#connections.get(id);
    if ("opened" in change) {
      if (known !== undefined) return;
      this.#connections.set(id, change.opened);
      this.#events.onOpened(change.opened);
    } else if (known !== undefined) {
      this.#connections.delete(id);
      this.#events.onClosed(known, change.closed);
    }
  }
}
