import type { Socket as EngineSocket } from "engine.io";
import type { Clock } from "../../core/ports.js";
import type { Place } from "./place.js";

/** How long a connection may be without a namespace, in milliseconds. */
export const IDLE_TIMEOUT = 10_000;
/** How long a peer may take to answer a close, in milliseconds; then its connection is cut. */
export const CLOSE_TIMEOUT = 3_000;
/** The same for the next poll of a client that polls, which is to bring it what was written last. */
const LAST_POLL_TIMEOUT = 1_000;
/** Bytes of what the library says itself that may wait for the peer: nobody has to read what it provokes. */
const UNREAD_BYTES = 65_536;

/** What the library has and its types do not tell. */
interface Inside {
  readonly id: string;
  transport: {
    readonly name: string;
    closeTimeout?: number;
    socket?: Reading & { terminate(): void };
    emit(event: "close"): void;
  };
}

interface Reading {
  pause(): void;
  resume(): void;
}

interface Written {
  readonly data?: { readonly length: number };
  readonly options?: { readonly wsPreEncodedFrame?: unknown };
}

/** How many clients there are on all lines: one on a line that nobody has a place on, too. */
export interface LineCounts {
  connections: number;
}

/** One Engine.IO connection, over whichever transport: what all of its namespaces share. */
export class Line {
  readonly id: string;
  /** Of the client, as it was when it came: the request that it came with may be over. */
  readonly address: string;
  /** By namespace. */
  readonly places = new Map<string, Place>();
  readonly #connection: EngineSocket;
  readonly #clock: Clock;
  readonly #counts: LineCounts;
  /** Whoever has more waiting than it can take now. */
  readonly #holders = new Set<object>();
  #paused: Reading | undefined;
  /** A request with packets that is not read yet. */
  #heldRequest: (() => void) | undefined;
  #cancelIdle: (() => void) | undefined;
  #cancelCut: (() => void) | undefined;

  constructor(
    connection: EngineSocket,
    { address, clock, counts }: { readonly address: string; readonly clock: Clock; readonly counts: LineCounts },
  ) {
    this.#connection = connection;
    this.#clock = clock;
    this.#counts = counts;
    this.address = address;
    counts.connections += 1;
    this.id = this.#inside.id;
    this.#inside.transport.closeTimeout = LAST_POLL_TIMEOUT;
    this.#boundUnread();
    this.#cancelIdle = clock.after(IDLE_TIMEOUT, () => this.close());
    connection.once("close", () => this.#closed());
  }

  /** Whether somebody is in one of its namespaces, and not only at the door. */
  get inside(): boolean {
    return [...this.places.values()].some(({ inside }) => inside);
  }

  get open(): boolean {
    return this.#connection.readyState === "open";
  }

  /** A connection is in a namespace once. */
  enter(namespace: string, place: Place): void {
    if (this.places.size > 0) this.#counts.connections += 1;
    this.places.set(namespace, place);
    this.#cancelIdle?.();
    this.#cancelIdle = undefined;
  }

  leave(namespace: string, place: Place): void {
    if (this.places.get(namespace) !== place) return;
    this.places.delete(namespace);
    if (this.places.size > 0) this.#counts.connections -= 1;
    else if (this.open) this.#cancelIdle = this.#clock.after(IDLE_TIMEOUT, () => this.close());
  }

  /** Ends it after what has been written, and cuts it where the peer does not take that. */
  close(): void {
    if (!this.open) return;
    this.#connection.close();
    if (this.#connection.readyState === "closed") return;
    const timeout = this.#inside.transport.name === "polling" ? LAST_POLL_TIMEOUT : CLOSE_TIMEOUT;
    this.#cancelCut = this.#clock.after(timeout, () => this.cut());
  }

  cut(): void {
    this.#connection.close(true);
    this.#inside.transport.socket?.terminate();
    if (this.#connection.readyState !== "closed") this.#inside.transport.emit("close");
  }

  /** Reads nothing until everybody who has called this has let go. */
  hold(holder: object): void {
    this.#holders.add(holder);
    if (this.#paused !== undefined) return;
    this.#paused = this.#inside.transport.socket;
    this.#paused?.pause();
  }

  letGo(holder: object): void {
    if (!this.#holders.delete(holder) || this.#holders.size > 0) return;
    const request = this.#heldRequest;
    this.#heldRequest = undefined;
    this.#paused?.resume();
    this.#paused = undefined;
    request?.();
  }

  /**
   * Takes a request with packets, now or when they can be taken.
   * @returns false where another one waits: no client that keeps to the protocol sends two
   */
  take(request: () => void): boolean {
    if (this.#holders.size === 0) request();
    else if (this.#heldRequest === undefined) this.#heldRequest = request;
    else return false;
    return true;
  }

  /** Sessions' frames are bounded by their outboxes. */
  #boundUnread(): void {
    let unread = 0;
    this.#connection.on("packetCreate", ({ data, options }: Written) => {
      if (options?.wsPreEncodedFrame !== undefined) return;
      unread += data?.length ?? 0;
      if (unread > UNREAD_BYTES) setImmediate(() => this.cut());
    });
    this.#connection.on("flush", () => {
      unread = 0;
    });
  }

  #closed(): void {
    this.#cancelIdle?.();
    this.#cancelCut?.();
    this.#counts.connections -= Math.max(1, this.places.size);
    const places = [...this.places.values()];
    this.places.clear();
    for (const place of places) place.lineClosed();
    this.#holders.clear();
    this.#paused?.resume();
    // The library answers that there is no such connection.
    this.#heldRequest?.();
    this.#heldRequest = undefined;
  }

  get #inside(): Inside {
    return this.#connection as unknown as Inside;
  }
}
