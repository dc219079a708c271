import type { Clock } from "../core/ports.js";

/** Difference of a peer's wall clock that is warned of, in milliseconds. */
const FAR_OFF = 5_000;
/** How long it has to be so far off, in milliseconds: what a frozen node reads later is old, and not the peer's fault. */
const PERSISTENCE = 10_000;

interface PeerClock {
  /** How far it is ahead of this node's, in milliseconds; messages take time, so it may be a little more. */
  ahead: number;
  /** Since when it has been far off, by the monotonic clock. */
  farSince: number | undefined;
  told: boolean;
}

/** Compares the wall clocks of other nodes with this node's. */
export class PeerClocks {
  readonly #clock: Clock;
  readonly #onFarOff: (node: string, ahead: number) => void;
  readonly #peers = new Map<string, PeerClock>();

  /** @param onFarOff - told once when a peer's clock has been more than 5 s off for 10 s; `ahead` is in milliseconds */
  constructor(clock: Clock, onFarOff: (node: string, ahead: number) => void) {
    this.#clock = clock;
    this.#onFarOff = onFarOff;
  }

  /** Largest difference of a peer's clock, in milliseconds. */
  get largestDifference(): number {
    return Math.max(0, ...[...this.#peers.values()].map(({ ahead }) => Math.abs(ahead)));
  }

  /** @param time - what the peer's clock showed when it sent a message that has just come, in milliseconds since the epoch */
  hear(node: string, time: number): void {
    const now = this.#clock.monotonic();
    const peer = this.#peers.get(node) ?? { ahead: 0, farSince: undefined, told: false };
    this.#peers.set(node, peer);
    peer.ahead = time - this.#clock.now();
    if (Math.abs(peer.ahead) <= FAR_OFF) {
      peer.farSince = undefined;
      peer.told = false;
      return;
    }
    peer.farSince ??= now;
    if (peer.told || now - peer.farSince < PERSISTENCE) return;
    peer.told = true;
    this.#onFarOff(node, peer.ahead);
  }

  forget(node: string): void {
    this.#peers.delete(node);
  }
}
