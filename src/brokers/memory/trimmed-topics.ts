import { BoundedMap } from "../../history/bounded-map.js";

/** Maximum number of remembered topics of a class. */
const MAX_TOPICS = 65_536;

/**
 * The newest removed message of each topic that has none left, by its sequence. Positions before it have expired. The least
 * recently added topics are forgotten; then positions of all forgotten topics are valid only after the newest of theirs.
 */
export class TrimmedTopics {
  readonly #topics = new BoundedMap<number>();
  readonly #limit: number;
  #forgotten: number;

  /** @param base - sequence before which no position is valid */
  constructor(base: number, limit = MAX_TOPICS) {
    this.#forgotten = base;
    this.#limit = limit;
  }

  /** Size of the topics, in bytes. */
  get bytes(): number {
    return this.#topics.bytes;
  }

  /** Returns the sequence from which positions of the topic are valid. */
  find(topic: string): number {
    return this.#topics.get(topic) ?? this.#forgotten;
  }

  /** Returns {@link find}, and forgets the topic, because a log remembers it from now on. */
  take(topic: string): number {
    const sequence = this.find(topic);
    this.#topics.delete(topic);
    return sequence;
  }

  /** Adds a topic. @param bytes - maximum number of bytes of all topics; the least recently added are forgotten */
  add(topic: string, sequence: number, bytes: number): void {
    this.#topics.delete(topic);
    if (sequence <= this.#forgotten) return;
    this.#topics.set(topic, sequence, { entries: this.#limit, bytes }, (trimmed) => {
      this.#forgotten = Math.max(this.#forgotten, trimmed);
    });
  }
}
