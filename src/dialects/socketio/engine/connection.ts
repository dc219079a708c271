import { Client, type ClientConnection, type ClientFacts } from "../../../clients/client.js";
import type { FanOut } from "../../../core/fan-out.js";
import type { Notice } from "../../../core/notice.js";
import { toCloseFrame } from "../../../errors.js";
import { CommandQueue, type CommandQueueContext, type CommandSource } from "../../../transport/command-queue.js";
import { createFrames } from "../../../transport/websocket/encoding.js";
import type { Received, Texts } from "../../dialect.js";
import type { SocketIoConversation } from "../dialect.js";
import { packetFrames } from "./frames.js";
import type { NamespaceSession } from "./namespace-session.js";

/** Bytes counted for an event while it waits, beside its own. */
const EVENT_BYTES = 64;

/** Waiting bytes above which the connection is not read. While it is not read, no sign of life is seen. */
const HOLD_BYTES = 65_536;

/** Dependencies of connections, the same for all. */
export interface SocketIoContext extends CommandQueueContext {
  readonly fanOut: FanOut;
}

interface WaitingEvent {
  readonly text: string;
  readonly acknowledge: number | undefined;
  readonly attachments: readonly Uint8Array[];
}

/** One Socket.IO client in one namespace, whose events become commands. */
export class SocketIoConnection implements ClientConnection, CommandSource<WaitingEvent> {
  readonly client: Client;
  readonly place: NamespaceSession;
  readonly #conversation: SocketIoConversation;
  readonly #context: SocketIoContext;
  readonly #queue: CommandQueue<WaitingEvent>;
  /** Bytes of the present event and of the waiting ones. */
  #heldBytes = 0;

  constructor(
    facts: ClientFacts,
    place: NamespaceSession,
    conversation: SocketIoConversation,
    context: SocketIoContext,
  ) {
    this.client = new Client(facts, this);
    this.place = place;
    this.#conversation = conversation;
    this.#context = context;
    this.#queue = new CommandQueue(this, context);
  }

  receive(event: WaitingEvent): void {
    if (!this.client.session.open) return;
    const cost = measureCost(event);
    if (!this.place.line.takeBytes(cost)) {
      this.#context.services.hub.remove(this.client.session, "overloaded");
      return;
    }
    this.#heldBytes += cost;
    this.#queue.add(event, cost);
  }

  decode({ acknowledge, attachments, text }: WaitingEvent): Received {
    return this.#conversation.receive(text, acknowledge, attachments);
  }

  onWaiting(bytes: number): void {
    if (bytes > HOLD_BYTES) this.place.line.hold(this);
  }

  onIdle(): void {
    const bytes = this.#heldBytes;
    this.#heldBytes = 0;
    this.place.line.giveBytes(bytes);
    this.place.line.letGo(this);
  }

  notify(notice: Notice): void {
    if (this.client.session.open) this.send(this.#conversation.noticeText(notice));
  }

  /**
   * Ends the session.
   * @param code - counts unless this node has ended the connection
   * @returns the code that the session ended with
   */
  closed(code: number, reason: string): number {
    const { endedFor } = this.client.session;
    const [endedWith, text] = endedFor === undefined ? [code, reason] : toCloseFrame(endedFor);
    this.#context.services.clients.remove(this.client, endedWith, text);
    this.#queue.clear();
    this.place.line.letGo(this);
    return endedWith;
  }

  /** Sends frames to this client alone; nothing for no texts. */
  send(texts: Texts): void {
    const frames = createFrames(texts, packetFrames);
    if (frames === undefined) return;
    this.#queue.countSent(frames.length);
    this.#context.fanOut.send(this.client.session, frames);
  }
}

/** A lower bound: a character takes a byte or more. */
function measureCost({ attachments, text }: WaitingEvent): number {
  return attachments.reduce((bytes, { length }) => bytes + length, EVENT_BYTES + text.length);
}
