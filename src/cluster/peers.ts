type Change = { readonly node: string; readonly here: boolean };

/** How often the silence of others is measured, in milliseconds. */
export const PEER_TICK = 250;

/**
 * A node that has not been heard for more ticks than these is gone: 3.5 s, three heartbeats and some of the network's
 * delay. With the tick that measures it, a dead node is found within 3.75 s.
 *
 * Silence is counted in ticks of this process and not by the clock: a process that was frozen, or a machine whose time
 * is set, does not take everybody else for dead.
 */
const LONGEST_SILENCE = 14;

/** Who is there, and since when nothing has been heard of each. */
export class Peers {
  readonly #self: string;
  readonly #nodes: Set<string>;
  readonly #silence = new Map<string, number>();
  readonly #listeners: ((change: Change) => void)[] = [];

  constructor(self: string) {
    this.#self = self;
    this.#nodes = new Set([self]);
  }

  /** This node included. */
  get nodes(): ReadonlySet<string> {
    return this.#nodes;
  }

  get others(): readonly string[] {
    return [...this.#silence.keys()];
  }

  onChange(listener: (change: Change) => void): void {
    this.#listeners.push(listener);
  }

  /** @returns whether it was not known to be there */
  hear(node: string): boolean {
    if (node === this.#self) return false;
    const isNew = !this.#silence.has(node);
    this.#silence.set(node, 0);
    if (isNew) {
      this.#nodes.add(node);
      this.#tell({ node, here: true });
    }
    return isNew;
  }

  lose(node: string): void {
    if (!this.#silence.delete(node)) return;
    this.#nodes.delete(node);
    this.#tell({ node, here: false });
  }

  tick(): void {
    for (const [node, silence] of this.#silence) {
      if (silence >= LONGEST_SILENCE) this.lose(node);
      else this.#silence.set(node, silence + 1);
    }
  }

  /** Nobody could be heard until now. */
  forgive(): void {
    for (const node of this.#silence.keys()) this.#silence.set(node, 0);
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}
