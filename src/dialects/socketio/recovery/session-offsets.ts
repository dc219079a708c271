import type { EnteredTopics, SessionFrames } from "../../../core/batch.js";
import type { Topic } from "../../../core/topic.js";
import { createTopicPart, offsetFits } from "./offset.js";
import { addOffset, positionOf } from "./offset-frames.js";

export interface SessionOffsetsOptions {
  /** Positions from which the session is recovered, by topic; empty for a new session. */
  readonly positions: ReadonlyMap<string, string>;
  /** Topics of the earlier session that belong to a group. */
  readonly grouped: ReadonlySet<string>;
  /** Returns the first part of the session's offsets now. */
  readonly tag: () => string;
  /** Whether a topic belongs to the broker that a recovered session would join. */
  readonly isRecoverable: (topic: Topic) => boolean;
  /** Encodes an event that has only an offset. */
  readonly offsetFrame: (offset: string) => Uint8Array;
  /** Called when the client's offset is outdated and {@link SessionOffsets.preceding} returns an event. */
  readonly onOutdated: () => void;
}

/** A topic that the session is in. */
interface Place {
  /** Part of the topic in offsets; undefined if it cannot be recovered. */
  part: string | undefined;
  /** Newest message that was sent. Undefined while it is not known, and in a topic without history. */
  position: string | undefined;
}

/**
 * Adds offsets to one session's events: the session's topics, and how far it has come in each. A session that cannot be
 * recovered, because one of its topics has no history, gets the same frames as clients without recovery.
 */
export class SessionOffsets implements SessionFrames {
  readonly #options: SessionOffsetsOptions;
  readonly #places = new Map<Topic, Place>();
  #fits = true;
  /** Whether the client's last offset is valid. */
  #valid: boolean;
  /** Whether the topics have changed since the client's last offset. */
  #outdated = false;
  /** Tag of the client's last offset. */
  #tag: string | undefined;
  /** Whether the session's first topics are those of an earlier session. */
  #returning: boolean;

  constructor(options: SessionOffsetsOptions) {
    this.#options = options;
    this.#returning = options.positions.size > 0;
    this.#valid = this.#returning;
  }

  personalize(topic: Topic | undefined, frames: readonly Uint8Array[]): readonly Uint8Array[] | undefined {
    const place = topic && this.#places.get(topic);
    let changed = false;
    const own = frames.map((frame) => {
      const position = positionOf(frame);
      if (place !== undefined && position !== undefined) place.position = position;
      const offset = this.#createOffset();
      if (offset === "") return frame;
      changed = true;
      return addOffset(frame, offset);
    });
    if (!changed) return undefined;
    this.#valid = true;
    this.#outdated = false;
    return own;
  }

  preceding(): Uint8Array | undefined {
    const isSameUser = this.#tag === undefined || this.#tag === this.#options.tag();
    if (!this.#outdated && isSameUser) return undefined;
    this.#outdated = false;
    const offset = this.#createOffset();
    if (offset === "" && !this.#valid) return undefined;
    this.#valid = offset !== "";
    return this.#options.offsetFrame(offset);
  }

  onEntering({ all, fresh, group }: EnteredTopics): void {
    const { grouped, isRecoverable, positions } = this.#options;
    const returning = this.#returning;
    this.#returning = false;
    // A join without a group takes the topics out of all groups.
    if (group === undefined) for (const topic of all) this.#ungroup(topic);
    for (const topic of fresh) {
      // The backend may have joined the session meanwhile.
      if (this.#places.has(topic)) continue;
      const recovered = returning ? positions.get(topic.name) : undefined;
      const isGrouped = group !== undefined || (recovered !== undefined && grouped.has(topic.name));
      this.#places.set(topic, {
        part: isRecoverable(topic) ? createTopicPart(topic.name, isGrouped) : undefined,
        position: recovered ?? topic.subscription?.log?.position,
      });
    }
    // The client that has come back has an offset of these topics.
    if (returning) this.#measure();
    else this.#change();
  }

  left(topic: Topic): void {
    if (this.#places.delete(topic)) this.#change();
  }

  #ungroup(topic: Topic): void {
    const place = this.#places.get(topic);
    if (place?.part !== undefined) place.part = createTopicPart(topic.name, false);
  }

  #measure(): void {
    this.#fits = offsetFits([...this.#places.values()].map(({ part = "" }) => part));
  }

  #change(): void {
    this.#measure();
    if (!this.#outdated) this.#options.onOutdated();
    this.#outdated = true;
  }

  /** Returns "" where the session cannot be recovered. */
  #createOffset(): string {
    if (this.#places.size === 0 || !this.#fits) return "";
    this.#tag = this.#options.tag();
    let offset = this.#tag;
    for (const { part, position } of this.#places.values()) {
      if (part === undefined || position === undefined) return "";
      offset += part + position;
    }
    return offset;
  }
}
