import { Client, type ClientConnection, type ClientFacts } from "../../../clients/client.js";
import type { Services } from "../../../commands/services.js";
import type { FanOut } from "../../../core/fan-out.js";
import type { Notice } from "../../../core/notice.js";
import { closeFrameOf } from "../../../errors.js";
import { type CommandSender, runCommand } from "../../../transport/run-command.js";
import { createFrames } from "../../../transport/websocket/encoding.js";
import { Pace } from "../../../transport/websocket/pace.js";
import type { Texts } from "../../dialect.js";
import type { SocketIoConversation } from "../dialect.js";
import { packetFrames } from "./frames.js";
import type { NamespaceSession } from "./namespace-session.js";

/** What a client's event costs while it waits, beside its bytes. */
const EVENT_BYTES = 64;

/** So many bytes may wait before no more are read. While nothing is read, no sign of life is seen. */
const HOLD_BYTES = 65_536;

/** What all connections have in common. */
export interface SocketIoContext {
  readonly services: Services;
  readonly fanOut: FanOut;
  /** Bytes of events that may wait for the command before them. */
  readonly waitingBytes: number;
  /** So many packets in a row that are no event end a connection. */
  readonly malformedFrames: number;
}

interface WaitingEvent {
  readonly text: string;
  readonly acknowledge: number | undefined;
  readonly attachments: readonly Uint8Array[];
}

/** One Socket.IO client in one namespace: its events become commands, carried out one after the other in the order sent. */
export class SocketIoConnection implements ClientConnection, CommandSender {
  readonly client: Client;
  readonly place: NamespaceSession;
  readonly #conversation: SocketIoConversation;
  readonly #context: SocketIoContext;
  readonly #pace: Pace;
  /** Events that came while a command was under way. */
  readonly #waiting: WaitingEvent[] = [];
  #waitingBytes = 0;
  /** Bytes of the event that is worked on, and of those that wait. */
  #heldBytes = 0;
  #malformedInARow = 0;
  #busy = false;

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
    this.#pace = new Pace(this.client, context.services.clock);
  }

  receive(event: WaitingEvent): void {
    if (!this.client.session.open) return;
    const cost = costOf(event);
    if (!this.place.line.takeBytes(cost)) {
      this.#context.services.hub.remove(this.client.session, "overloaded");
      return;
    }
    this.#heldBytes += cost;
    if (!this.#busy) {
      void this.#work(event);
      return;
    }
    this.#waiting.push(event);
    this.#waitingBytes += cost;
    if (this.#waitingBytes > HOLD_BYTES) this.place.line.hold(this);
    if (this.#waitingBytes > this.#context.waitingBytes) {
      this.#context.services.hub.remove(this.client.session, "flooding");
    }
  }

  notify(notice: Notice): void {
    if (this.client.session.open) this.send(this.#conversation.noticeText(notice));
  }

  /**
   * The connection has ended, with this code and text unless this side has ended it.
   * @returns the code
   */
  closed(code: number, reason: string): number {
    const { endedFor } = this.client.session;
    const [endedWith, text] = endedFor === undefined ? [code, reason] : closeFrameOf(endedFor);
    this.#context.services.clients.remove(this.client, endedWith, text);
    this.#waiting.length = 0;
    this.place.line.letGo(this);
    return endedWith;
  }

  async #work(begin: WaitingEvent): Promise<void> {
    this.#busy = true;
    for (
      let event: WaitingEvent | undefined = begin;
      event !== undefined && this.client.session.open;
      event = this.#waiting.shift()
    ) {
      await this.#take(event);
      const rest = this.#pace.next();
      if (rest !== undefined) await rest;
    }
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.place.line.giveBytes(this.#heldBytes);
    this.#heldBytes = 0;
    this.#busy = false;
    this.place.line.letGo(this);
  }

  async #take({ acknowledge, attachments, text }: WaitingEvent): Promise<void> {
    const { malformedFrames, services } = this.#context;
    const received = this.#conversation.receive(text, acknowledge, attachments);
    this.#malformedInARow = (await runCommand(received, this, services)) ? 0 : this.#malformedInARow + 1;
    if (this.#malformedInARow >= malformedFrames) services.hub.remove(this.client.session, "malformed_frames");
  }

  /** Sends it frames of its own; nothing for no texts. */
  send(texts: Texts): void {
    const frames = createFrames(texts, packetFrames);
    if (frames === undefined) return;
    if (this.#busy) this.#pace.answered(frames.length);
    this.#context.fanOut.send(this.client.session, frames);
  }
}

/** At least: a character is a byte or more. */
function costOf({ attachments, text }: WaitingEvent): number {
  return attachments.reduce((bytes, { length }) => bytes + length, EVENT_BYTES + text.length);
}
