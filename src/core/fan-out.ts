import { answerBatch, type Batch, messageBatch } from "./batch.js";
import type { Message } from "./message.js";
import type { OutboxContext } from "./outbox.js";
import type { Clock, EndOfTurn } from "./ports.js";
import { type EncodedFrames, ReplayBatches } from "./replay-batches.js";
import type { Session } from "./session.js";
import type { EncodingGroup, Topic } from "./topic.js";
import type { DeliveryTracer, TracedDelivery } from "./tracing/delivery-tracer.js";
import type { Traffic } from "./traffic.js";

/** Number of gathered bytes above which frames are written before the end of the turn. Bounds the memory of a burst. */
const EARLY_FLUSH_BYTES = 256 * 1024;

/** Number of sessions whose states are loaded together. They fit into the processor's smallest cache. */
const LOOK_AHEAD = 16;

export interface FanOutOptions {
  readonly endOfTurn: EndOfTurn;
  readonly clock: Clock;
  /** Shared with the outboxes of all sessions. */
  readonly outbox: OutboxContext;
  /** Called for a session whose backlog exceeds its limit. */
  readonly onSlow: (session: Session) => void;
  /** Called when messages were written to the sessions, with the first of them; at most once for each turn's write. */
  readonly onWritten?: (message: Message) => void;
  /** Undefined if traces are not recorded. */
  readonly tracer?: DeliveryTracer | undefined;
}

/**
 * Delivers one message to many sessions: one shared frame for each encoding, and one write per session and turn of the
 * event loop.
 *
 * Frames gather by topic and encoding. At the end of the turn the frames of each group are joined once, and every member
 * gets the same bytes. Callers `settle` a group before they change its members, so that frames reach exactly the sessions
 * that were members when the message arrived (O2, O3).
 */
export class FanOut {
  /** Messages handed to sessions, and their bytes. Plain counters that the metrics read. */
  readonly delivered = { messages: 0, bytes: 0 };
  readonly #options: FanOutOptions;
  readonly #onEndOfTurn = (): void => {
    this.#scheduled = false;
    this.flush();
    this.#options.outbox.turn += 1;
  };
  readonly #replays = new ReplayBatches();
  /** Groups that gather frames for the end of this turn. */
  #groups: EncodingGroup[] = [];
  /** Sessions whose outboxes hold batches settled in this turn. */
  #sessions: Session[] = [];
  #gathered = 0;
  #scheduled = false;
  readonly #tracer: DeliveryTracer | undefined;
  /** Functions that end the spans of messages in this turn's writes. */
  #spans: (() => void)[] = [];
  /** First message that was gathered for the next write, apart from those of topics with a write delay. */
  #oldest: Message | undefined;

  constructor(options: FanOutOptions) {
    this.#options = options;
    this.#tracer = options.tracer;
  }

  /** Delivers to every current member of the topic. */
  deliver(topic: Topic, message: Message): void {
    const delay = topic.rules.writeDelay;
    topic.traffic.received += 1;
    if (this.#tracer !== undefined) this.#traceTopic(topic, message);
    for (const group of topic.groups) {
      const frame = group.makeFrame(message);
      if (group.first === undefined) {
        group.first = frame;
        if (delay === 0) {
          this.#groups.push(group);
          this.#oldest ??= message;
        } else this.#settleLater(group, delay);
      } else if (group.more === undefined) group.more = [frame];
      else group.more.push(frame);
      group.bytes += frame.length;
      if (delay === 0) this.#gathered += frame.length;
      else if (group.bytes > EARLY_FLUSH_BYTES) this.settle(group);
    }
    if (this.#groups.length > 0) this.#schedule();
    if (this.#gathered > EARLY_FLUSH_BYTES) this.flush();
  }

  /** Sends a frame to one session, after the batches that were settled for it earlier. */
  send(session: Session, frame: Uint8Array): void {
    this.#push(session, answerBatch(frame));
  }

  /**
   * Sends stored messages to one member of the topic, before the live messages that arrive from now on. Members that replay
   * the same messages share the bytes.
   * @param frames - frames that {@link encodeReplay} has made; the others are made now
   * @returns the number of bytes
   */
  replay(session: Session, topic: Topic, messages: readonly Message[], frames: EncodedFrames): number {
    if (messages.length === 0) return 0;
    const batch = this.#replays.batchFor(topic.groupFor(session.encoding), messages, frames);
    this.#count(topic.traffic, batch.messages, batch.size);
    this.#push(session, batch);
    return batch.size;
  }

  /**
   * Makes the frames of a replay before the turn that sends them, one in each step. Makes none where the batch is kept.
   * @param frames - receives the frames
   */
  *encodeReplay(
    { encoding }: Session,
    topic: string,
    messages: readonly Message[],
    frames: Map<Message, Uint8Array>,
  ): Generator<number, void> {
    if (messages.length === 0 || this.#replays.find(encoding, messages) !== undefined) return;
    const topicText = encoding.topicText(topic);
    for (const message of messages) {
      frames.set(message, encoding.frame(message, topicText));
      yield message.payload.length;
    }
  }

  /** Sends a message to one session that did not join its topic, such as `$user.ID`, and counts it as delivered. */
  sendMessage(session: Session, frame: Uint8Array, traffic: Traffic): void {
    this.#count(traffic, 1, frame.length);
    this.send(session, session.ownFrame(frame));
  }

  /** Begins the span of a message that is about to be sent, if its trace is sampled. It ends when this turn's frames are written. */
  trace(delivery: TracedDelivery): void {
    const { trace } = delivery.message;
    if (this.#tracer === undefined || trace === undefined) return;
    this.#spans.push(this.#tracer.begin(delivery, trace));
    this.#schedule();
  }

  #traceTopic(topic: Topic, message: Message): void {
    if (message.trace === undefined) return;
    const { broker, groups, name, sessions, vhost } = topic;
    this.trace({ vhost, broker, topic: name, message, sessions, encodings: groups.length });
    // The sample of the latency then names the trace.
    this.#oldest = message;
  }

  /** Hands the gathered frames to the group's current members. They are written at the end of the turn. */
  settle(group: EncodingGroup): void {
    const batch = this.#close(group);
    if (batch === undefined) return;
    for (const session of group.members) this.#push(session, batch);
  }

  /** Writes everything that was gathered in this turn. */
  flush(): void {
    this.#gathered = 0;
    const groups = this.#groups;
    this.#groups = [];
    const [only] = groups;
    if (groups.length === 1 && only !== undefined && this.#sessions.length === 0) {
      this.#writeAlone(only);
    } else {
      for (const group of groups) this.settle(group);
    }
    const sessions = this.#sessions;
    this.#sessions = [];
    writeToEach(sessions, (session) => {
      if (session.open && !session.flush()) this.#options.onSlow(session);
    });
    this.#reportWritten();
    if (this.#groups.length > 0 || this.#sessions.length > 0) this.#schedule();
  }

  #reportWritten(): void {
    const spans = this.#spans;
    if (spans.length > 0) {
      this.#spans = [];
      for (const end of spans) end();
    }
    const message = this.#oldest;
    if (message === undefined) return;
    this.#oldest = undefined;
    this.#options.onWritten?.(message);
  }

  /** Writes the batch of a turn's only group directly to the sinks, bypassing the outboxes. */
  #writeAlone(group: EncodingGroup): void {
    const batch = this.#close(group);
    if (batch === undefined) return;
    let slow: Session[] | undefined;
    writeToEach(group.members, (session) => {
      if (!session.flushAlone(batch)) slow = [...(slow ?? []), session];
    });
    // Closing a session reorders the list of members, so it waits until the loop has ended.
    for (const session of slow ?? []) this.#options.onSlow(session);
  }

  #close(group: EncodingGroup): Batch | undefined {
    const { encoding, first, members, more, topic } = group;
    if (first === undefined) return undefined;
    group.first = undefined;
    group.more = undefined;
    group.bytes = 0;
    group.cancelDelay?.();
    group.cancelDelay = undefined;
    const batch = messageBatch(topic, encoding, first, more);
    this.#count(topic.traffic, batch.messages * members.length, batch.size * members.length);
    return batch;
  }

  #count(traffic: Traffic, messages: number, bytes: number): void {
    this.delivered.messages += messages;
    this.delivered.bytes += bytes;
    traffic.messagesOut += messages;
    traffic.bytesOut += bytes;
  }

  #settleLater(group: EncodingGroup, delay: number): void {
    group.cancelDelay = this.#options.clock.after(delay, () => {
      this.settle(group);
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

/**
 * Calls `write` for each session. Looks at several sessions first: the processor loads their states from memory at the same
 * time, which it cannot do across a write.
 */
function writeToEach(sessions: readonly Session[], write: (session: Session) => void): void {
  for (let begin = 0; begin < sessions.length; begin += LOOK_AHEAD) {
    const next = sessions.slice(begin, begin + LOOK_AHEAD);
    for (const session of next) session.look();
    for (const session of next) write(session);
  }
}
