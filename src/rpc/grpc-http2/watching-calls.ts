import { nodeStopping } from "../call-errors.js";

/** Open stream of a service that only watches. */
export interface WatchingCall {
  abort(reason: unknown): void;
}

/**
 * Tracks the open streams of gRPC's own services: health's Watch, and reflection. Their clients keep them open for as long as
 * they run, so a stopping node must end them instead of waiting.
 */
export class WatchingCalls {
  readonly #open = new Set<WatchingCall>();
  #ended = false;

  add(call: WatchingCall): void {
    this.#open.add(call);
    if (this.#ended) call.abort(nodeStopping());
  }

  remove(call: WatchingCall): void {
    this.#open.delete(call);
  }

  /** Ends all streams with UNAVAILABLE, after the messages that wait to be sent. */
  end(): void {
    this.#ended = true;
    for (const call of this.#open) call.abort(nodeStopping());
  }
}
