import type { Frame, JoinReason } from "../types.js";

let logs = 0;

/** Stored messages of a topic. */
export class TopicLog {
  readonly #name: string;
  readonly #limit: number;
  #frames: Frame[] = [];
  /** Sequence of the last message. */
  #last = 0;

  /** @param limit - maximum number of messages */
  constructor(limit: number) {
    this.#limit = limit;
    logs += 1;
    this.#name = `test.${logs}`;
  }

  /** Position of the last message, or of the begin. */
  get position(): string {
    return `${this.#name}.${this.#last}`;
  }

  get frames(): readonly Frame[] {
    return this.#frames;
  }

  /** Stores a message. @returns it with its position; undefined for a duplicate */
  add(frame: Frame): Frame | undefined {
    if (this.#frames.some(({ id }) => id === frame.id)) return undefined;
    this.#last += 1;
    const stored = { ...frame, position: this.position };
    this.#frames = [...this.#frames, stored].slice(-this.#limit);
    return stored;
  }

  /** Removes all messages. */
  purge(): void {
    this.#frames = [];
  }

  /** Returns the messages after a position, or why that is not possible. */
  after(position: string): readonly Frame[] | JoinReason {
    const sequence = this.#sequence(position);
    if (sequence === undefined) return "unknown_position";
    const missed = this.#last - sequence;
    return missed > this.#frames.length ? "expired" : this.#frames.slice(this.#frames.length - missed);
  }

  /** Returns a page of messages. */
  page(query: Readonly<Record<string, unknown>>): { readonly messages: readonly Frame[]; readonly more: boolean } {
    const {
      after,
      before,
      limit = 100,
      since,
      until,
    } = query as {
      readonly [name in "after" | "before" | "since" | "until"]?: string;
    } & { readonly limit?: number };
    const from = after === undefined ? 0 : (this.#sequence(after) ?? 0);
    const to = before === undefined ? Number.POSITIVE_INFINITY : (this.#sequence(before) ?? 0);
    const range = this.#frames.filter(({ position = "", time = "" }) => {
      const sequence = this.#sequence(position) ?? 0;
      return sequence > from && sequence < to && (since ?? time) <= time && time <= (until ?? time);
    });
    const isForward = before === undefined && (after ?? since) !== undefined;
    const messages = isForward ? range.slice(0, limit) : range.slice(Math.max(0, range.length - limit));
    return { messages, more: messages.length < range.length };
  }

  #sequence(position: string): number | undefined {
    const sequence = Number(position.slice(this.#name.length + 1));
    const isOwn = position.startsWith(`${this.#name}.`) && sequence <= this.#last;
    return isOwn ? sequence : undefined;
  }
}
