import type { Answers, Cluster } from "../cluster/cluster.js";
import type { Clock } from "../core/ports.js";
import type { ConnectionFacts } from "./facts.js";
import { type ViewEvents, WatchView } from "./watch-view.js";
import { type Changes, type PageAnswer, RENEWAL, WATCH_COUNT, WATCH_END, WATCH_PAGE } from "./watch-words.js";

export interface WatchMirrorOptions {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly vhost: string;
}

/** The connections of a vhost on all nodes, kept while somebody on this node watches them. */
export class WatchMirror {
  readonly #options: WatchMirrorOptions;
  readonly #views = new Map<string, WatchView>();
  readonly #listeners = new Set<ViewEvents>();
  readonly #events: ViewEvents = {
    onOpened: (connection) => {
      for (const listener of this.#listeners) listener.onOpened(connection);
    },
    onClosed: (connection, code) => {
      for (const listener of this.#listeners) listener.onClosed(connection, code);
    },
  };
  #reading: Promise<void> | undefined;
  #cancelRenewal: (() => void) | undefined;
  #ended = false;
  /** Resolves when all nodes that answered have been read. @throws CarillonError of Cluster.ask */
  readonly ready: Promise<void>;

  constructor(options: WatchMirrorOptions) {
    this.#options = options;
    this.ready = this.#read();
    this.ready.catch(ignore);
    this.#scheduleRenewal();
  }

  *connections(): Generator<ConnectionFacts> {
    for (const view of this.#views.values()) yield* view.connections;
  }

  /** @returns ends it */
  listen(events: ViewEvents): () => void {
    this.#listeners.add(events);
    return () => this.#listeners.delete(events);
  }

  takeChanges(node: string, changes: Changes): void {
    const view = this.#viewOf(node);
    view.takeChanges(changes);
    if (view.stale) this.#readLater();
  }

  onNode(node: string, here: boolean): void {
    if (here) {
      this.#viewOf(node);
      this.#readLater();
    } else {
      this.#views.get(node)?.end();
      this.#views.delete(node);
    }
  }

  /** Nobody watches any more. */
  end(): void {
    this.#ended = true;
    this.#cancelRenewal?.();
    this.#views.clear();
    this.#options.cluster.tell(WATCH_END, { vhost: this.#options.vhost });
  }

  #viewOf(node: string): WatchView {
    let view = this.#views.get(node);
    if (view === undefined) {
      view = new WatchView(this.#events);
      this.#views.set(node, view);
    }
    return view;
  }

  /** What cannot be read now is read at the next renewal. */
  #readLater(): void {
    this.#read().catch(ignore);
  }

  /** Reads what must be read; whoever comes while that is done waits, and what came up meanwhile is done too. */
  #read(): Promise<void> {
    this.#reading ??= this.#readStale().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readStale(): Promise<void> {
    const { cluster } = this.#options;
    for (const node of cluster.nodes) this.#viewOf(node);
    for (let first = true; !this.#ended && (first || this.#anyStale()); first = false) {
      for (const view of this.#views.values()) if (view.stale) view.read();
      if (!(await this.#readPages())) return;
    }
  }

  #anyStale(): boolean {
    return [...this.#views.values()].some(({ stale }) => stale);
  }

  /** @returns false when a node did not answer: there is no use in asking again at once */
  async #readPages(): Promise<boolean> {
    let complete = true;
    for (;;) {
      const cursors = Object.fromEntries([...this.#views].map(([node, view]) => [node, view.cursor]));
      if (Object.values(cursors).every((cursor) => cursor === null)) return complete;
      const { answers, missing } = await this.#ask(cursors);
      if (this.#ended) return false;
      for (const [node, answer] of answers) if (answer !== null) this.#takePage(node, answer as unknown as PageAnswer);
      for (const [node, view] of this.#views) {
        if (view.cursor === null || answers.has(node)) continue;
        view.distrust();
        complete = false;
      }
      complete &&= missing.length === 0;
    }
  }

  async #ask(cursors: Readonly<Record<string, string | null>>): Promise<Answers> {
    const { cluster, vhost } = this.#options;
    try {
      return await cluster.ask(WATCH_PAGE, { vhost, cursors });
    } catch (error) {
      for (const view of this.#views.values()) if (view.cursor !== null) view.distrust();
      throw error;
    }
  }

  #takePage(node: string, answer: PageAnswer): void {
    const known = this.#views.has(node);
    const view = this.#viewOf(node);
    // A node that has come since: it answers with its beginning.
    if (!known) view.read();
    view.takePage(answer);
  }

  #scheduleRenewal(): void {
    this.#cancelRenewal = this.#options.clock.after(RENEWAL, () => {
      this.#renew().catch(ignore);
    });
  }

  /** Asks for more time, and whether anything was lost of which no later change tells. */
  async #renew(): Promise<void> {
    const { cluster, vhost } = this.#options;
    try {
      const { answers } = await cluster.ask(WATCH_COUNT, { vhost });
      if (this.#ended) return;
      for (const [node, count] of answers) this.#viewOf(node).checkCount(count as number);
      if (this.#anyStale()) this.#readLater();
    } finally {
      if (!this.#ended) this.#scheduleRenewal();
    }
  }
}

/** The next renewal tries again. */
function ignore(): void {}
