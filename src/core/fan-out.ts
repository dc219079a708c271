import type { Message } from "./message.js";
import type { EndOfTurn } from "./ports.js";
import type { Session } from "./session.js";
import type { Audience, Topic } from "./topic.js";

/**
 * Bytes of frames that may gather in one turn before they are written without waiting for its end: a burst is then
 * bounded by this and not by what arrived.
 */
const EARLY_FLUSH_BYTES = 256 * 1024;

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
  /** Messages that slow sessions lost when they were closed. */
  dropped = 0;
  readonly #endOfTurn: EndOfTurn;
  readonly #onSlow: (session: Session) => void;
  readonly #flush = (): void => {
    this.flush();
  };
  #audiences: Audience[] = [];
  #sessions: Session[] = [];
  #gathered = 0;
  #scheduled = false;

  /** @param onSlow - called for a session whose outbox is full, when nothing more can be written to it */
  constructor(endOfTurn: EndOfTurn, onSlow: (session: Session) => void) {
    this.#endOfTurn = endOfTurn;
    this.#onSlow = onSlow;
  }

  /** Delivers to every session that is in the topic now. */
  deliver(topic: Topic, message: Message): void {
    for (const audience of topic.audiences) {
      const frame = audience.makeFrame(message);
      if (audience.frames.push(frame) === 1) this.#audiences.push(audience);
      this.#gathered += frame.length;
    }
    if (this.#gathered > EARLY_FLUSH_BYTES) this.flush();
    else if (topic.audiences.length > 0) this.#schedule();
  }

  /** Sends one session a frame of its own, after everything that was settled for it before. */
  send(session: Session, frame: Uint8Array): void {
    this.#push(session, frame, 0);
    this.#schedule();
  }

  /** Gives what gathered for an audience to those who are its members now. */
  settle(audience: Audience): void {
    const { frames, members } = audience;
    if (frames.length === 0) return;
    audience.frames = [];
    const [first] = frames;
    const bytes = frames.length === 1 && first !== undefined ? first : Buffer.concat(frames);
    for (const session of members) this.#push(session, bytes, frames.length);
    this.delivered.messages += frames.length * members.length;
    this.delivered.bytes += bytes.length * members.length;
  }

  /** Writes everything that waits. */
  flush(): void {
    this.#gathered = 0;
    const audiences = this.#audiences;
    this.#audiences = [];
    for (const audience of audiences) this.settle(audience);
    const sessions = this.#sessions;
    this.#sessions = [];
    for (const session of sessions) {
      if (session.open) this.#write(session);
    }
    this.#scheduled = false;
    if (this.#audiences.length > 0 || this.#sessions.length > 0) this.#schedule();
  }

  #write(session: Session): void {
    const dropped = session.outbox.flush();
    if (dropped === undefined) return;
    this.dropped += dropped;
    this.#onSlow(session);
  }

  #push(session: Session, bytes: Uint8Array, messages: number): void {
    if (session.outbox.empty) this.#sessions.push(session);
    session.outbox.push(bytes, messages);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#endOfTurn(this.#flush);
  }
}
