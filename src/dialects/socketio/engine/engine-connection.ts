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

/** Longest time for which a connection may be without a namespace, in milliseconds. */
export const IDLE_TIMEOUT = 10_000;
/** Time for a peer to answer a close, in milliseconds. Its connection is then cut. */
export const CLOSE_TIMEOUT = 3_000;
/** Time for a polling client to fetch the last packets by its next poll, in milliseconds. */
const LAST_POLL_TIMEOUT = 1_000;

/** Members of the library's objects that its types lack. */
interface Internals {
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

/** Counters that all connections share. */
export interface EngineConnectionCounts {
  /** Clients in a namespace, or waiting for admission to one. */
  connections: number;
  /** Connections without such a client. */
  readonly idle: IdleConnections;
}

export interface EngineConnectionOptions {
  readonly address: string;
  readonly clock: Clock;
  readonly counts: EngineConnectionCounts;
  /** Counts the bytes of the connection's packets. */
  readonly lease: ByteLease;
}

/** Engine.IO connection over any transport. All namespaces of the client share it. */
export class EngineConnection implements IdleConnection {
  readonly id: string;
  /** Address of the client. It is kept because the first request, from which it is read, may have ended. */
  readonly address: string;
  /** Sessions by namespace. */
  readonly sessions = new Map<string, NamespaceSession>();
  readonly polls: Polls;
  readonly queue: PollQueue;
  /** Revision of Engine.IO that the client speaks. */
  readonly protocol: number;
  /** Reason for which this node has cut the connection; undefined if it has not cut it, or has no reason. */
  cutFor: CloseReason | undefined;
  readonly #held: HeldBytes;
  /** Bytes of waiting and current events, and of a packet with missing attachments. */
  #heldBytes = 0;
  readonly #connection: EngineSocket;
  readonly #clock: Clock;
  readonly #counts: EngineConnectionCounts;
  /** Namespaces that the client has requested, until it is refused or has left. */
  readonly #requested = new Set<string>();
  /** Sessions with too many waiting bytes. */
  readonly #holders = new Set<object>();
  #paused: Reading | undefined;
  /** Starts to read a held POST request. */
  #heldRequest: (() => void) | undefined;
  #cancelIdle: (() => void) | undefined;
  #cancelCut: (() => void) | undefined;

  constructor(connection: EngineSocket, { address, clock, counts, lease }: EngineConnectionOptions) {
    this.#connection = connection;
    this.#clock = clock;
    this.#counts = counts;
    this.address = address;
    this.#held = new HeldBytes(lease);
    this.id = this.#internals.id;
    this.protocol = connection.protocol;
    this.polls = new Polls({ clock, onLost: (why) => this.cut(why === "too slow" ? "slow_consumer" : undefined) });
    if (this.protocol === 3 && !this.#isWebSocket) this.#readPolls();
    this.queue = new PollQueue(connection, this.polls);
    connection.on("upgrade", () => this.queue.flush());
    this.#internals.transport.closeTimeout = LAST_POLL_TIMEOUT;
    applyEngineWorkarounds(connection, () => this.cut());
    connection.once("close", () => this.#closed());
  }

  /** Whether the client is connected to a namespace, and not only waiting for admission. */
  get connected(): boolean {
    return [...this.sessions.values()].some(({ connected }) => connected);
  }

  get open(): boolean {
    return this.#connection.readyState === "open";
  }

  /** Whether the client polls, and may upgrade to a WebSocket. */
  get upgradable(): boolean {
    return !this.#isWebSocket && !this.#internals.upgrading;
  }

  get #isWebSocket(): boolean {
    return this.#internals.transport.name === "websocket";
  }

  /** Replaces the library's reader and writer for polls of Engine.IO 3. */
  #readPolls(): void {
    const { transport } = this.#internals;
    transport.parser = { ...transport.parser, ...engine3Payload(MAX_PACKETS, () => this.cut("flooding")) };
  }

  /** Starts the timeout of a connection without a namespace. */
  startIdle(): void {
    if (!this.open) return;
    if (this.#counts.idle.add(this)) this.#cancelIdle = this.#clock.after(IDLE_TIMEOUT, () => this.close());
    // Closes after the last packets have been sent, because one of them may tell the client the reason.
    else this.close();
  }

  /**
   * Records a connect request. A client may be in each namespace once. It must wait for the answer before it requests the
   * same namespace again.
   * @throws Error when the namespace is requested or joined already
   */
  requestNamespace(namespace: string): void {
    if (this.#requested.has(namespace)) {
      this.close();
      throw new Error("namespace requested twice");
    }
    this.#requested.add(namespace);
  }

  /** Forgets a refused connect request, so that the client may repeat it. */
  forgetNamespace(namespace: string): void {
    this.#requested.delete(namespace);
  }

  /**
   * Counts bytes that the connection's packets hold until {@link giveBytes} releases them.
   * @returns false when the node's budget is exhausted; nothing is counted then
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

  add(namespace: string, session: NamespaceSession): void {
    this.#counts.connections += 1;
    this.sessions.set(namespace, session);
    this.#endIdle();
  }

  remove(namespace: string, session: NamespaceSession): void {
    if (this.sessions.get(namespace) !== session) return;
    // Sends the session's last packets before the answer to a repeated connect request.
    this.queue.flush();
    this.sessions.delete(namespace);
    this.#requested.delete(namespace);
    this.#counts.connections -= 1;
    if (this.sessions.size === 0) this.startIdle();
  }

  /** Ends the connection after its last packets. Cuts it if the peer does not receive them in time. */
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
    this.#internals.transport.socket?.terminate();
    if (this.#connection.readyState !== "closed") this.#internals.transport.emit("close");
  }

  /** Stops reading until every holder has released the connection. */
  hold(holder: object): void {
    this.#holders.add(holder);
    if (this.#paused !== undefined) return;
    this.#paused = this.#internals.transport.socket;
    this.#paused?.pause();
  }

  release(holder: object): void {
    if (!this.#holders.delete(holder) || this.#holders.size > 0) return;
    const request = this.#heldRequest;
    this.#heldRequest = undefined;
    this.#paused?.resume();
    this.#paused = undefined;
    request?.();
  }

  /**
   * Handles a POST request, now or when reading resumes.
   * @returns false when another one waits, which violates the protocol
   */
  take(request: () => void): boolean {
    if (this.#holders.size === 0) request();
    else if (this.#heldRequest === undefined) this.#heldRequest = request;
    else return false;
    return true;
  }

  #closed(): void {
    this.#endIdle();
    this.cutFor ??= this.#internals.transport.socket?.meter?.cutFor;
    this.#cancelCut?.();
    this.#counts.connections -= this.sessions.size;
    const sessions = [...this.sessions.values()];
    this.sessions.clear();
    for (const session of sessions) session.end();
    this.#holders.clear();
    this.#paused?.resume();
    // The library answers that the connection is unknown.
    this.#heldRequest?.();
    this.#heldRequest = undefined;
    this.polls.end(CLOSE_TIMEOUT);
  }

  #endIdle(): void {
    this.#counts.idle.delete(this);
    this.#cancelIdle?.();
    this.#cancelIdle = undefined;
  }

  get #internals(): Internals {
    return this.#connection as unknown as Internals;
  }
}
