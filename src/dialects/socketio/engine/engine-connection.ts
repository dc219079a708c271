import type { Socket as EngineSocket } from "engine.io";
import type { Clock } from "../../../core/ports.js";
import type { CloseReason } from "../../../errors.js";
import type { ByteLease } from "../../../net/byte-budget.js";
import { HeldBytes } from "../../../net/held-bytes.js";
import type { MessageMeter } from "../../../transport/receiving/message-meter.js";
import { applyEngineWorkarounds } from "./engine-workarounds.js";
import { engine3Payload } from "./engine3-payload.js";
import type { IdleConnection, IdleConnections } from "./idle-connections.js";
import type { NamespaceSession } from "./namespace-session.js";
import { MAX_PACKETS } from "./poll-body.js";
import { PollQueue } from "./poll-queue.js";
import { Polls } from "./polls.js";

/** How long a connection may be without a namespace, in milliseconds. */
export const IDLE_TIMEOUT = 10_000;
/** How long a peer may take to answer a close, in milliseconds; then its connection is cut. */
export const CLOSE_TIMEOUT = 3_000;
/** The same for the next poll of a polling client, which fetches the last packets. */
const LAST_POLL_TIMEOUT = 1_000;

/** Members of the library's objects that its types lack. */
interface Inside {
  readonly id: string;
  readonly upgrading: boolean;
  transport: {
    readonly name: string;
    parser: object;
    closeTimeout?: number;
    socket?: Reading & { terminate(): void; readonly meter?: Pick<MessageMeter, "cutFor"> };
    emit(event: "close"): void;
  };
}

interface Reading {
  pause(): void;
  resume(): void;
}

/** Counts that all connections share. */
export interface EngineConnectionCounts {
  /** Clients in a namespace, or waiting for admission to one. */
  connections: number;
  /** Connections without any of them. */
  readonly idle: IdleConnections;
}

export interface EngineConnectionOptions {
  readonly address: string;
  readonly clock: Clock;
  readonly counts: EngineConnectionCounts;
  /** Counts the bytes of its packets. */
  readonly lease: ByteLease;
}

/** One Engine.IO connection over any transport, which all of its namespaces share. */
export class EngineConnection implements IdleConnection {
  readonly id: string;
  /** Address of the client, kept from its first request, which may have ended. */
  readonly address: string;
  /** By namespace. */
  readonly places = new Map<string, NamespaceSession>();
  readonly polls: Polls;
  readonly queue: PollQueue;
  /** Revision of Engine.IO that the client speaks. */
  readonly protocol: number;
  /** Reason why this side has cut it; undefined for none. */
  cutFor: CloseReason | undefined;
  readonly #held: HeldBytes;
  /** Bytes of events that wait or are carried out, and of a packet whose attachments are incomplete. */
  #heldBytes = 0;
  readonly #connection: EngineSocket;
  readonly #clock: Clock;
  readonly #counts: EngineConnectionCounts;
  /** Namespaces that the client has asked for, until it is refused or has left. */
  readonly #asked = new Set<string>();
  /** Namespaces that have too much waiting. */
  readonly #holders = new Set<object>();
  #paused: Reading | undefined;
  /** Starts to read a held request with packets. */
  #heldRequest: (() => void) | undefined;
  #cancelIdle: (() => void) | undefined;
  #cancelCut: (() => void) | undefined;

  constructor(connection: EngineSocket, { address, clock, counts, lease }: EngineConnectionOptions) {
    this.#connection = connection;
    this.#clock = clock;
    this.#counts = counts;
    this.address = address;
    this.#held = new HeldBytes(lease);
    this.id = this.#inside.id;
    this.protocol = connection.protocol;
    this.polls = new Polls({ clock, onLost: (why) => this.cut(why === "too slow" ? "slow_consumer" : undefined) });
    if (this.protocol === 3 && !this.#isWebSocket) this.#readPolls();
    this.queue = new PollQueue(connection, this.polls);
    connection.on("upgrade", () => this.queue.flush());
    this.#inside.transport.closeTimeout = LAST_POLL_TIMEOUT;
    applyEngineWorkarounds(connection, () => this.cut());
    connection.once("close", () => this.#closed());
  }

  /** Whether the client is in one of its namespaces, and not only waiting for admission. */
  get inside(): boolean {
    return [...this.places.values()].some(({ inside }) => inside);
  }

  get open(): boolean {
    return this.#connection.readyState === "open";
  }

  /** Whether it polls, and may change to a WebSocket. */
  get upgradable(): boolean {
    return !this.#isWebSocket && !this.#inside.upgrading;
  }

  get #isWebSocket(): boolean {
    return this.#inside.transport.name === "websocket";
  }

  /** Replaces the library's reader and writer for polls of Engine.IO 3. */
  #readPolls(): void {
    const { transport } = this.#inside;
    transport.parser = { ...transport.parser, ...engine3Payload(MAX_PACKETS, () => this.cut("flooding")) };
  }

  /** Starts the time-out of a connection without a namespace. */
  rest(): void {
    if (!this.open) return;
    if (this.#counts.idle.add(this)) this.#cancelIdle = this.#clock.after(IDLE_TIMEOUT, () => this.close());
    // After what was written: its client may have been told just now why it has to go.
    else this.close();
  }

  /**
   * The client asks for a namespace. It is in each once, and has to wait for an answer before it asks again.
   * @throws Error where it has asked for this one
   */
  ask(namespace: string): void {
    if (this.#asked.has(namespace)) {
      this.close();
      throw new Error("asked for already");
    }
    this.#asked.add(namespace);
  }

  /** Forgets a namespace that has refused the client, which may ask again. */
  refused(namespace: string): void {
    this.#asked.delete(namespace);
  }

  /**
   * Counts bytes that its packets hold, until they are given back by {@link giveBytes}.
   * @returns false, and nothing has changed, where the node's budget has no room
   */
  takeBytes(bytes: number): boolean {
    if (!this.#held.set(this.#heldBytes + bytes)) return false;
    this.#heldBytes += bytes;
    return true;
  }

  giveBytes(bytes: number): void {
    this.#heldBytes -= bytes;
    this.#held.set(this.#heldBytes);
  }

  enter(namespace: string, place: NamespaceSession): void {
    this.#counts.connections += 1;
    this.places.set(namespace, place);
    this.#endRest();
  }

  leave(namespace: string, place: NamespaceSession): void {
    if (this.places.get(namespace) !== place) return;
    // Before the answer to a client that asks for it again.
    this.queue.flush();
    this.places.delete(namespace);
    this.#asked.delete(namespace);
    this.#counts.connections -= 1;
    if (this.places.size === 0) this.rest();
  }

  /** Ends the connection after its last packets; cuts it if the peer does not take them. */
  close(): void {
    if (!this.open) return;
    this.queue.flush();
    this.#connection.close();
    if (this.#connection.readyState === "closed") return;
    const timeout = this.#isWebSocket ? CLOSE_TIMEOUT : LAST_POLL_TIMEOUT;
    this.#cancelCut = this.#clock.after(timeout, () => this.cut());
  }

  /** Cuts the connection at once. */
  cut(reason?: CloseReason): void {
    this.cutFor ??= reason;
    this.polls.cut();
    this.#connection.close(true);
    this.#inside.transport.socket?.terminate();
    if (this.#connection.readyState !== "closed") this.#inside.transport.emit("close");
  }

  /** Stops reading until every holder has released the connection. */
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

  #closed(): void {
    this.#endRest();
    this.cutFor ??= this.#inside.transport.socket?.meter?.cutFor;
    this.#cancelCut?.();
    this.#counts.connections -= this.places.size;
    const places = [...this.places.values()];
    this.places.clear();
    for (const place of places) place.lineClosed();
    this.#holders.clear();
    this.#paused?.resume();
    // The library answers that there is no such connection.
    this.#heldRequest?.();
    this.#heldRequest = undefined;
    this.polls.end(CLOSE_TIMEOUT);
  }

  #endRest(): void {
    this.#counts.idle.delete(this);
    this.#cancelIdle?.();
    this.#cancelIdle = undefined;
  }

  get #inside(): Inside {
    return this.#connection as unknown as Inside;
  }
}
