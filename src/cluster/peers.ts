type Change = { readonly node: string; readonly alive: boolean };

/** Interval of ticks, which measure the silence of peers, in milliseconds. */
export const PEER_TICK = 250;

/**
 * Number of silent ticks after which a node counts as dead: 3.5 s, which is three heartbeats and some network delay.
 * Including the measuring tick, a dead node is found within 3.75 s.
 *
 * Silence is counted in ticks of this process instead of time, so a process that was frozen, or a machine whose clock is
 * set, does not consider all others dead.
 */
const MAX_SILENT_TICKS = 14;

/** The live nodes, and the duration of each one's silence. */
export class Peers {
  readonly #self: string;
  readonly #nodes: Set<string>;
  readonly #silence = new Map<string, number>();
  readonly #listeners: ((change: Change) => void)[] = [];

  constructor(self: string) {
    this.#self = self;
    this.#nodes = new Set([self]);
  }

  /** Live nodes, including this one. */
  get nodes(): ReadonlySet<string> {
    return this.#nodes;
  }

  get others(): readonly string[] {
    return [...this.#silence.keys()];
  }

  onChange(listener: (change: Change) => void): void {
    this.#listeners.push(listener);
  }

  /** Records a message of a node. Returns true when the node is new. */
  recordActivity(node: string): boolean {
    if (node === this.#self) return false;
    const isNew = !this.#silence.has(node);
    this.#silence.set(node, 0);
    if (isNew) {
      this.#nodes.add(node);
      this.#notify({ node, alive: true });
    }
    return isNew;
  }

  remove(node: string): void {
    if (!this.#silence.delete(node)) return;
    this.#nodes.delete(node);
    this.#notify({ node, alive: false });
  }

  tick(): void {
    for (const [node, silence] of this.#silence) {
      if (silence >= MAX_SILENT_TICKS) this.remove(node);
      else this.#silence.set(node, silence + 1);
    }
  }

  /** Resets the silence of all nodes, because none could be reached until now. */
  resetSilence(): void {
    for (const node of this.#silence.keys()) this.#silence.set(node, 0);
  }

  #notify(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}
