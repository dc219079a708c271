import { isUtf8 } from "node:buffer";
import type { RawData, WebSocket } from "ws";
import { Client, type ClientConnection, type ClientFacts } from "../../clients/client.js";
import type { Services } from "../../commands/services.js";
import type { FanOut } from "../../core/fan-out.js";
import type { Notice } from "../../core/notice.js";
import type { Conversation, Texts } from "../../dialects/dialect.js";
import { closeFrameOf } from "../../errors.js";
import type { Inflater } from "../receiving/inflater.js";
import type { CutReason, MessageMeter } from "../receiving/message-meter.js";
import { type CommandSender, runCommand } from "../run-command.js";
import { ClientWebSocket } from "./client-web-socket.js";
import { createFrames } from "./encoding.js";
import { textFrame } from "./frame.js";
import type { HeartbeatWatch, Pulse } from "./heartbeat.js";
import { Pace } from "./pace.js";

/** What connections need of their node, the same for all. */
export interface WebSocketConnectionContext {
  readonly services: Services;
  readonly fanOut: FanOut;
  /** Bytes of frames that may wait for the command before them. */
  readonly waitingBytes: number;
  /** So many frames in a row that are no command end a connection. */
  readonly malformedFrames: number;
  /** Told when a connection has ended, with the code: this side's where this side closed it; 1006 for none. */
  readonly onClosed: (connection: WebSocketConnection, code: number) => void;
}

/**
 * One WebSocket client: its frames become commands, carried out one after the other in the order sent. While one waits
 * for the broker, the socket is not read: TCP slows the client down, and what was read already waits here. That is bounded
 * too: compressed frames become more than was read.
 */
export class WebSocketConnection implements Pulse, ClientConnection, CommandSender {
  readonly client: Client;
  readonly webSocket: ClientWebSocket;
  /** Where its life is watched. */
  watch: HeartbeatWatch | undefined;
  readonly #conversation: Conversation;
  readonly #context: WebSocketConnectionContext;
  readonly #inflater: Inflater | undefined;
  readonly #meter: MessageMeter | undefined;
  readonly #pace: Pace;
  /** Frames that came while a command was under way; most connections never have any. */
  #waiting: string[] | undefined;
  #waitingBytes = 0;
  #malformedInARow = 0;
  #busy = false;
  #alive = true;
  /** Whether the connection has taken the last ping: until then nobody can have answered it. */
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
    this.#pace = new Pace(this.client, context.services.clock);
    this.#inflater = webSocket.inflater;
    this.#meter = webSocket.meter;
    webSocket.connection = this;
    webSocket.on("message", onMessage);
    webSocket.on("pong", onSignOfLife);
    webSocket.on("ping", onSignOfLife);
    webSocket.on("error", onViolation);
    webSocket.on("close", onClose);
  }

  /**
   * A connection that is not read just now cannot show a sign of life, and one that is still busy taking what was written
   * before the ping cannot answer it.
   */
  get alive(): boolean {
    return this.#alive || this.#busy || !this.#pinged;
  }

  ping(): void {
    if (this.webSocket.readyState !== this.webSocket.OPEN) return;
    // A whole interval was not enough to take the last one: that is no slow connection, it is none.
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

  /** Tells the client what its protocol begins with. */
  greet(): void {
    this.send(this.#conversation.greeting);
  }

  expire(): void {
    this.#context.services.hub.remove(this.client.session, "ping_timeout");
  }

  /** It is not read any more. */
  cut(reason: CutReason): void {
    if (this.client.session.open) this.#context.services.hub.remove(this.client.session, reason);
    else this.webSocket.terminate();
  }

  /** There was a pong or a ping. */
  signOfLife(): void {
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
    // The library has checked text frames; binary ones are accepted where they hold the same text.
    if (isBinary && !isUtf8(bytes)) {
      this.#context.services.hub.remove(this.client.session, "not_utf8");
      return;
    }
    const text = bytes.toString("utf8");
    if (this.#busy) {
      this.#waiting ??= [];
      this.#waiting.push(text);
      this.#waitingBytes += bytes.length;
      this.webSocket.pause();
      if (this.#waitingBytes > this.#context.waitingBytes)
        this.#context.services.hub.remove(this.client.session, "flooding");
    } else {
      void this.#work(text);
    }
  }

  notify(notice: Notice): void {
    if (this.client.session.open) this.send(this.#conversation.noticeText(notice));
  }

  /** The connection has ended, with this close frame of the peer unless this side has ended it. */
  closed(code: number, reason: string): void {
    const { endedFor } = this.client.session;
    const [endedWith, text] = endedFor === undefined ? [code, reason] : closeFrameOf(endedFor);
    this.#waiting = undefined;
    this.#context.services.clients.remove(this.client, endedWith, text);
    this.#context.onClosed(this, endedWith);
  }

  async #work(begin: string): Promise<void> {
    this.#busy = true;
    for (
      let text: string | undefined = begin;
      text !== undefined && this.client.session.open;
      text = this.#waiting?.shift()
    ) {
      await this.#take(text);
      const rest = this.#pace.next();
      if (rest !== undefined) await rest;
    }
    this.#waiting = undefined;
    this.#waitingBytes = 0;
    this.#inflater?.settle();
    this.#meter?.settle();
    this.#busy = false;
    // A pong may have come and not been read: the peer has until the next ping.
    this.#alive = true;
    if (this.webSocket.isPaused) this.webSocket.resume();
  }

  async #take(text: string): Promise<void> {
    const { malformedFrames, services } = this.#context;
    const received = this.#conversation.receive(text);
    this.#malformedInARow = (await runCommand(received, this, services)) ? 0 : this.#malformedInARow + 1;
    if (this.#malformedInARow >= malformedFrames) services.hub.remove(this.client.session, "malformed_frames");
  }

  /** Sends it frames of its own; nothing for no texts. */
  send(texts: Texts): void {
    const frames = createFrames(texts, textFrame);
    if (frames === undefined) return;
    if (this.#busy) this.#pace.answered(frames.length);
    this.#context.fanOut.send(this.client.session, frames);
  }
}

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  connectionOf(this)?.receive(data, isBinary);
}

function onSignOfLife(this: WebSocket): void {
  connectionOf(this)?.signOfLife();
}

/** The library answers a violation of the protocol with the close code for it; the close event then tells. */
function onViolation(): void {}

function onClose(this: WebSocket, code: number, reason: Buffer): void {
  connectionOf(this)?.closed(code, reason.toString("utf8"));
}

function connectionOf(webSocket: WebSocket): WebSocketConnection | undefined {
  return webSocket instanceof ClientWebSocket ? webSocket.connection : undefined;
}
