import { isUtf8 } from "node:buffer";
import type { RawData, WebSocket } from "ws";
import { Client, type ClientConnection, type ClientFacts } from "../../clients/client.js";
import type { FanOut } from "../../core/fan-out.js";
import type { Notice } from "../../core/notice.js";
import type { Conversation, Received, Texts } from "../../dialects/dialect.js";
import { toCloseFrame } from "../../errors.js";
import { ignore } from "../../util/ignore.js";
import { CommandQueue, type CommandQueueContext, type CommandSource } from "../command-queue.js";
import type { Inflater } from "../receiving/inflater.js";
import type { CutReason, MessageMeter } from "../receiving/message-meter.js";
import { ClientWebSocket } from "./client-web-socket.js";
import { createFrames } from "./encoding.js";
import { createTextFrame } from "./frame.js";
import type { HeartbeatWatch, MonitoredConnection } from "./heartbeat.js";

/** Dependencies of the connections of one dialect. */
export interface WebSocketConnectionContext extends CommandQueueContext {
  readonly fanOut: FanOut;
  /**
   * Called when a connection has ended. `code` is this node's close code if it closed the connection, otherwise the peer's;
   * 1006 if there was no close frame.
   */
  readonly onClosed: (connection: WebSocketConnection, code: number) => void;
}

/**
 * Connection of one WebSocket client, whose frames become commands. While frames wait for a command, the socket is not
 * read, so that TCP slows the client down. Frames that were already read wait in the queue, which is bounded because
 * compressed frames grow when they are inflated.
 */
export class WebSocketConnection implements MonitoredConnection, ClientConnection, CommandSource<string> {
  readonly client: Client;
  readonly webSocket: ClientWebSocket;
  /** Slot of the heartbeat that watches this connection. */
  watch: HeartbeatWatch | undefined;
  readonly #conversation: Conversation;
  readonly #context: WebSocketConnectionContext;
  readonly #inflater: Inflater | undefined;
  readonly #meter: MessageMeter | undefined;
  readonly #queue: CommandQueue<string>;
  #alive = true;
  /** Whether the last ping has been written to the connection; no pong can arrive earlier. */
  #pinged = true;

  constructor(
    webSocket: ClientWebSocket,
    facts: ClientFacts,
    conversation: Conversation,
    context: WebSocketConnectionContext,
  ) {
    this.webSocket = webSocket;
    this.client = new Client(facts, this);
    this.#conversation = conversation;
    this.#context = context;
    this.#queue = new CommandQueue(this, context);
    this.#inflater = webSocket.inflater;
    this.#meter = webSocket.meter;
    webSocket.connection = this;
    webSocket.on("message", onMessage);
    webSocket.on("pong", onSignOfLife);
    webSocket.on("ping", onSignOfLife);
    // The library closes the connection on a protocol violation, and the close event follows.
    webSocket.on("error", ignore);
    webSocket.on("close", onClose);
  }

  /**
   * Whether the client counts as alive. True also while no sign of life can arrive: the connection is not read, or the
   * ping has not been written.
   */
  get alive(): boolean {
    return this.#alive || this.#queue.busy || !this.#pinged;
  }

  ping(): void {
    if (this.webSocket.readyState !== this.webSocket.OPEN) return;
    // A connection that has not accepted a ping within a whole interval is dead, not slow.
    if (!this.#pinged && !this.#alive) {
      this.expire();
      return;
    }
    const { pingText } = this.#conversation;
    if (pingText !== undefined) this.send(pingText);
    this.#alive = false;
    this.#pinged = false;
    this.webSocket.ping(undefined, false, () => {
      this.#pinged = true;
    });
  }

  /** Sends the dialect's greeting. */
  greet(): void {
    this.send(this.#conversation.greeting);
  }

  expire(): void {
    this.#context.commandContext.hub.remove(this.client.session, "ping_timeout");
  }

  /** Ends a connection that is no longer read. */
  cut(reason: CutReason): void {
    if (this.client.session.open) this.#context.commandContext.hub.remove(this.client.session, reason);
    else this.webSocket.terminate();
  }

  /** Records a ping or pong. */
  recordSignOfLife(): void {
    this.#alive = true;
  }

  receive(data: RawData, isBinary: boolean): void {
    this.#alive = true;
    if (!this.client.session.open) {
      this.#meter?.complete();
      return;
    }
    const bytes = data as Buffer;
    if (this.#meter?.hold(bytes.length) === false) return;
    // The library has checked text frames; binary frames are accepted if they hold UTF-8 text.
    if (isBinary && !isUtf8(bytes)) {
      this.#context.commandContext.hub.remove(this.client.session, "not_utf8");
      return;
    }
    this.#queue.add(bytes.toString("utf8"), bytes.length);
  }

  decode(text: string): Received {
    return this.#conversation.receive(text);
  }

  onWaiting(): void {
    this.webSocket.pause();
  }

  onIdle(): void {
    this.#inflater?.settle();
    this.#meter?.settle();
    // A pong may have arrived without being read, so the peer counts as alive until the next ping.
    this.#alive = true;
    if (this.webSocket.isPaused) this.webSocket.resume();
  }

  notify(notice: Notice): void {
    if (this.client.session.open) this.send(this.#conversation.noticeText(notice));
  }

  /** Ends the session. @param code - of the peer's close frame; ignored if this node ended the connection */
  closed(code: number, reason: string): void {
    const { endedFor } = this.client.session;
    const [endedWith, text] = endedFor === undefined ? [code, reason] : toCloseFrame(endedFor);
    this.#queue.clear();
    this.#context.commandContext.clients.remove(this.client, endedWith, text);
    this.#context.onClosed(this, endedWith);
  }

  /** Sends frames to this client only; sends nothing when there are no texts. */
  send(texts: Texts): void {
    const frames = createFrames(texts, createTextFrame);
    if (frames === undefined) return;
    this.#queue.countSent(frames.length);
    this.#context.fanOut.send(this.client.session, frames);
  }
}

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  findConnection(this)?.receive(data, isBinary);
}

function onSignOfLife(this: WebSocket): void {
  findConnection(this)?.recordSignOfLife();
}

function onClose(this: WebSocket, code: number, reason: Buffer): void {
  findConnection(this)?.closed(code, reason.toString("utf8"));
}

function findConnection(webSocket: WebSocket): WebSocketConnection | undefined {
  return webSocket instanceof ClientWebSocket ? webSocket.connection : undefined;
}
