import type { PreparedReplay, Replay, ReplayLimits, ReplayStart, TopicLog } from "../../core/history.js";
import { selectReplay, sumPayloadBytes } from "../../history/select-messages.js";
import type { MemoryHistory } from "./memory-history.js";
import type { StoredClass } from "./stored-class.js";
import type { StoredLog } from "./stored-log.js";

/** The log of one subscription. */
export class SubscribedLog implements TopicLog {
  readonly #history: MemoryHistory;
  readonly #class: StoredClass;
  readonly #log: StoredLog;
  /** Returns the log that the subscription has now. It changes with the class of the topic. */
  readonly #current: () => SubscribedLog | undefined;

  constructor(history: MemoryHistory, stored: StoredClass, topic: string, current: () => SubscribedLog | undefined) {
    this.#history = history;
    this.#class = stored;
    this.#log = stored.hold(topic);
    this.#current = current;
  }

  get position(): string | undefined {
    return this.#history.up ? this.#history.positionOf(this.#log) : undefined;
  }

  /** The memory broker delivers a message when it stores it. */
  settle(): undefined {
    return undefined;
  }

  async prepare(start: ReplayStart, limits: ReplayLimits): Promise<PreparedReplay> {
    const { messages } = this.#read(start, limits);
    if (start.kind === "after" || start.limit > 0) this.#history.counts.replays.ring += 1;
    return {
      count: messages.length,
      bytes: sumPayloadBytes(messages),
      // Everything is in memory, so the replay is read again, with the messages that have arrived meanwhile.
      take: () => {
        const log = this.#current();
        return log === undefined ? withoutLog(start) : log.#read(start, limits);
      },
    };
  }

  close(): void {
    this.#class.release(this.#log);
  }

  #read(start: ReplayStart, limits: ReplayLimits): Replay {
    if (!this.#history.up) return UNAVAILABLE;
    this.#class.refresh(this.#log);
    const { position } = this;
    const { address, positions, ring } = this.#log;
    if (start.kind === "latest") {
      const most = Math.min(start.limit, limits.messages);
      return { ...selectReplay(ring.slice(Math.max(0, ring.length - most)), start, limits), position };
    }
    const sequence = positions.decode(address, start.position);
    if (sequence === undefined) return { messages: [], position, failure: "unknown_position" };
    const messages = ring.after(sequence);
    if (messages === undefined) return { messages: [], position, failure: "expired" };
    return { ...selectReplay(messages, start, limits), position };
  }
}

/** Replay of a topic that has lost its history meanwhile. */
function withoutLog({ kind }: ReplayStart): Replay {
  return { messages: [], position: undefined, failure: kind === "after" ? "unknown_position" : undefined };
}

const UNAVAILABLE: Replay = { messages: [], position: undefined, failure: "unavailable" };
