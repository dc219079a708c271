import { answerBatch, type Batch, messageBatch } from "./batch.js";
import type { Message } from "./message.js";
import type { OutboxContext } from "./outbox.js";
import type { Clock, EndOfTurn } from "./ports.js";
import type { Session } from "./session.js";
import type { Topic, TopicListeners } from "./topic.js";

/**
 * Bytes of frames that may gather before they are written without waiting for the turn's end: a burst is then bounded
 * by this and not by what arrived.
 */
const EARLY_FLUSH_BYTES = 256 * 1024;

export interface FanOutOptions {
  readonly endOfTurn: EndOfTurn;
  readonly clock: Clock;
  /** Shared with the outboxes of all sessions. */
  readonly outbox: OutboxContext;
  /** Called for a session for which more waits than may. */
  readonly onSlow: (session: Session) => void;
}

/**
 * One message to many sessions: one frame for each encoding, shared by all, and one write per session and turn.
 *
 * Frames gather in the topic's audiences; at the end of the turn each audience's frames are joined once and the joined
 * bytes given to every member. Whatever changes who is in an audience must `settle` it first, so that frames reach
 * exactly those who were members when the message came (O2, O3).
 */
export class FanOut {
  /** Messages handed to sessions, and their bytes; plain counters, read when somebody asks for metrics. */
  readonly delivered = { messages: 0, bytes: 0 };
  readonly #options: FanOutOptions;
  readonly #onEndOfTurn = (): void => {
    this.#scheduled = false;
    this.flush();
    this.#options.outbox.turn += 1;
  };
  /** Audiences that gather frames for the end of this turn. */
  #audiences: TopicListeners[] = [];
  /** Sessions whose outboxes hold what was settled in this turn. */
  #sessions: Session[] = [];
  #gathered = 0;
  #scheduled = false;

  constructor(options: FanOutOptions) {
    this.#options = options;
  }

  /** Delivers to every session that is in the topic now. */
  deliver(topic: Topic, message: Message): void {
    const delay = topic.rules.writeDelay;
    for (const audience of topic.audiences) {
      const frame = audience.makeFrame(message);
      if (audience.first === undefined) {
        audience.first = frame;
        if (delay === 0) this.#audiences.push(audience);
        else this.#settleLater(audience, delay);
      } else if (audience.more === undefined) audience.more = [frame];
      else audience.more.push(frame);
      audience.bytes += frame.length;
      if (delay === 0) this.#gathered += frame.length;
      else if (audience.bytes > EARLY_FLUSH_BYTES) this.settle(audience);
    }
    if (this.#audiences.length > 0) this.#schedule();
    if (this.#gathered > EARLY_FLUSH_BYTES) this.flush();
  }

  /** Sends one session a frame of its own, after everything that was settled for it before. */
  send(session: Session, frame: Uint8Array): void {
    this.#push(session, answerBatch(frame));
  }

  /** The same with a message that is for few sessions, and for whoever of them is there now. */
  sendMessage(session: Session, frame: Uint8Array): void {
    this.delivered.messages += 1;
    this.delivered.bytes += frame.length;
    this.send(session, session.counted(frame));
  }

  /** Gives what gathered for an audience to those who are its members now; it is written at the end of the turn. */
  settle(audience: TopicListeners): void {
    const batch = this.#close(audience);
    if (batch === undefined) return;
    for (const session of audience.members) this.#push(session, batch);
  }

  /** Writes everything that waits for the end of the turn. */
  flush(): void {
    this.#gathered = 0;
    const audiences = this.#audiences;
    this.#audiences = [];
    const [only] = audiences;
    if (audiences.length === 1 && only !== undefined && this.#sessions.length === 0) {
      this.#writeAlone(only);
    } else {
      for (const audience of audiences) this.settle(audience);
    }
    const sessions = this.#sessions;
    this.#sessions = [];
    for (const session of sessions) {
      if (session.open && !session.flush()) this.#options.onSlow(session);
    }
    if (this.#audiences.length > 0 || this.#sessions.length > 0) this.#schedule();
  }

  /** A turn that brought something to one audience only: its batch goes to the sockets without a stop in the outboxes. */
  #writeAlone(audience: TopicListeners): void {
    const batch = this.#close(audience);
    if (batch === undefined) return;
    let slow: Session[] | undefined;
    for (const session of audience.members) {
      if (!session.flushAlone(batch)) slow = [...(slow ?? []), session];
    }
    // Closing a session moves the others about in the list just gone through.
    for (const session of slow ?? []) this.#options.onSlow(session);
  }

  #close(audience: TopicListeners): Batch | undefined {
    const { encoding, first, members, more, topic } = audience;
    if (first === undefined) return undefined;
    audience.first = undefined;
    audience.more = undefined;
    audience.bytes = 0;
    audience.cancelDelay?.();
    audience.cancelDelay = undefined;
    const batch = messageBatch(topic, encoding, first, more);
    this.delivered.messages += batch.messages * members.length;
    this.delivered.bytes += batch.size * members.length;
    return batch;
  }

  #settleLater(audience: TopicListeners, delay: number): void {
    audience.cancelDelay = this.#options.clock.after(delay, () => {
      this.settle(audience);
    });
  }

  #push(session: Session, batch: Batch): void {
    if (session.empty) this.#sessions.push(session);
    session.push(batch);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#options.endOfTurn(this.#onEndOfTurn);
  }
}
