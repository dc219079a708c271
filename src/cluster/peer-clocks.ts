import type { Clock } from "../core/ports.js";

/** Difference of a peer's wall clock that causes a warning, in milliseconds. */
const MAX_DIFFERENCE = 5_000;
/** Minimum duration of a difference before the warning, in milliseconds. A node reads old messages after a freeze. */
const PERSISTENCE = 10_000;

interface PeerClock {
  /** Lead over this node's clock, in milliseconds, minus the message's time in transit. */
  ahead: number;
  /** Time since which the difference is too large, by the monotonic clock. */
  differsSince: number | undefined;
  reported: boolean;
}

/** Compares the wall clocks of other nodes with this node's. */
export class PeerClocks {
  readonly #clock: Clock;
  readonly #onFarOff: (node: string, ahead: number) => void;
  readonly #peers = new Map<string, PeerClock>();

  /** @param onFarOff - called once when a peer's clock has differed by more than 5 s for 10 s; `ahead` is in milliseconds */
  constructor(clock: Clock, onFarOff: (node: string, ahead: number) => void) {
    this.#clock = clock;
    this.#onFarOff = onFarOff;
  }

  /** Largest difference of a peer's clock, in milliseconds. */
  get largestDifference(): number {
    return Math.max(0, ...[...this.#peers.values()].map(({ ahead }) => Math.abs(ahead)));
  }

  /** @param time - the peer's time when it sent a message that has just arrived, in milliseconds since the epoch */
  record(node: string, time: number): void {
    const now = this.#clock.monotonic();
    const peer = this.#peers.get(node) ?? { ahead: 0, differsSince: undefined, reported: false };
    this.#peers.set(node, peer);
    peer.ahead = time - this.#clock.now();
    if (Math.abs(peer.ahead) <= MAX_DIFFERENCE) {
      peer.differsSince = undefined;
      peer.reported = false;
      return;
    }
    peer.differsSince ??= now;
    if (peer.reported || now - peer.differsSince < PERSISTENCE) return;
    peer.reported = true;
    this.#onFarOff(node, peer.ahead);
  }

  forget(node: string): void {
    this.#peers.delete(node);
  }
}
