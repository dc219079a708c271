import { Client, type ClientConnection, type ClientFacts } from "../../../clients/client.js";
import type { FanOut } from "../../../core/fan-out.js";
import type { Notice } from "../../../core/notice.js";
import { toCloseFrame } from "../../../errors.js";
import { CommandQueue, type CommandQueueContext, type CommandSource } from "../../../transport/command-queue.js";
import { createFrames } from "../../../transport/websocket/encoding.js";
import type { Received, Texts } from "../../dialect.js";
import type { SocketIoConversation } from "../dialect.js";
import type { SessionIdentity } from "../recovery/recovery-key.js";
import { packetFrames } from "./frames.js";
import type { NamespaceSession } from "./namespace-session.js";

/** Overhead of a waiting event, counted in addition to its own bytes. */
const EVENT_BYTES = 64;

/** Waiting bytes above which the connection is paused. The heartbeats of a paused connection are not read. */
const HOLD_BYTES = 65_536;

/** Dependencies that all connections share. */
export interface SocketIoContext extends CommandQueueContext {
  readonly fanOut: FanOut;
}

interface WaitingEvent {
  readonly text: string;
  readonly acknowledge: number | undefined;
  readonly attachments: readonly Uint8Array[];
}

/** Socket.IO client in one namespace. Its events become commands. */
export class SocketIoConnection implements ClientConnection, CommandSource<WaitingEvent> {
  readonly client: Client;
  readonly namespaceSession: NamespaceSession;
  readonly #conversation: SocketIoConversation;
  readonly #context: SocketIoContext;
  readonly #queue: CommandQueue<WaitingEvent>;
  /** Bytes of the current event and of the waiting ones. */
  #heldBytes = 0;

  constructor(
    facts: ClientFacts,
    namespaceSession: NamespaceSession,
    conversation: SocketIoConversation,
    context: SocketIoContext,
  ) {
    this.client = new Client(facts, this);
    this.namespaceSession = namespaceSession;
    this.#conversation = conversation;
    this.#context = context;
    this.#queue = new CommandQueue(this, context);
  }

  receive(event: WaitingEvent): void {
    if (!this.client.session.open) return;
    const cost = measureCost(event);
    if (!this.namespaceSession.connection.takeBytes(cost)) {
      this.#context.commandContext.hub.remove(this.client.session, "overloaded");
      return;
    }
    this.#heldBytes += cost;
    this.#queue.add(event, cost);
  }

  decode({ acknowledge, attachments, text }: WaitingEvent): Received {
    return this.#conversation.receive(text, acknowledge, attachments);
  }

  onWaiting(bytes: number): void {
    if (bytes > HOLD_BYTES) this.namespaceSession.connection.hold(this);
  }

  onIdle(): void {
    const bytes = this.#heldBytes;
    this.#heldBytes = 0;
    this.namespaceSession.connection.giveBytes(bytes);
    this.namespaceSession.connection.release(this);
  }

  notify(notice: Notice): void {
    if (this.client.session.open) this.send(this.#conversation.noticeText(notice));
  }

  /**
   * Ends the session.
   * @param code - used unless this node has ended the connection
   * @returns the code that the session ended with
   */
  closed(code: number, reason: string): number {
    const { endedFor } = this.client.session;
    const [endedWith, text] = endedFor === undefined ? [code, reason] : toCloseFrame(endedFor);
    this.#context.commandContext.clients.remove(this.client, endedWith, text);
    this.#queue.clear();
    this.namespaceSession.connection.release(this);
    return endedWith;
  }

  /** User and elevation of the client, which its offsets prove. */
  get identity(): SessionIdentity {
    const { principal, session } = this.client;
    return { sessionId: session.id, user: principal.user, elevated: this.#conversation.elevated };
  }

  /** Sends the client its offset, if its topics have changed and nothing has told it since. */
  sendOffset(): void {
    const { session } = this.client;
    const frame = session.open ? session.frames?.preceding() : undefined;
    if (frame !== undefined) this.#context.fanOut.send(session, frame);
  }

  /** Sends frames to this client only. Does nothing without texts. */
  send(texts: Texts): void {
    const frames = createFrames(texts, packetFrames);
    if (frames === undefined) return;
    this.#queue.countSent(frames.length);
    this.#context.fanOut.send(this.client.session, frames);
  }
}

/** Returns a lower bound of the bytes: a character takes one or more. */
function measureCost({ attachments, text }: WaitingEvent): number {
  return attachments.reduce((bytes, { length }) => bytes + length, EVENT_BYTES + text.length);
}
