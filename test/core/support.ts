import type { SessionFrames } from "../../src/core/batch.js";
import { FanOut } from "../../src/core/fan-out.js";
import { Hub } from "../../src/core/hub.js";
import type { Message } from "../../src/core/message.js";
import { OutboxContext } from "../../src/core/outbox.js";
import type { Encoding, Sink } from "../../src/core/ports.js";
import { Session } from "../../src/core/session.js";
import { Topic, type TopicDelivery } from "../../src/core/topic.js";
import type { Drops } from "../../src/core/topic-rules.js";
import { DEFAULT_RULES, type TopicRules } from "../../src/core/topic-rules.js";
import { Traffic } from "../../src/core/traffic.js";
import type { CloseReason } from "../../src/errors.js";
import { ManualClock } from "../support/manual-clock.js";

/** A sink that keeps what is written, and takes it only when told to. */
export class MemorySink implements Sink {
  readonly writes: string[][] = [];
  closedFor: CloseReason | undefined;
  backlog = 0;
  /** Whether the peer takes nothing. */
  stuck = false;
  #onDrained: (() => void) | undefined;

  write(frames: Uint8Array): void {
    this.writeAll([frames]);
  }

  writeAll(frames: readonly Uint8Array[]): void {
    this.writes.push(frames.map((frame) => Buffer.from(frame).toString("latin1")));
    if (this.stuck) for (const frame of frames) this.backlog += frame.length;
  }

  onceDrained(run: () => void): void {
    this.#onDrained = run;
  }

  /** The peer takes everything. */
  drain(): void {
    this.backlog = 0;
    const run = this.#onDrained;
    this.#onDrained = undefined;
    run?.();
  }

  end(reason: CloseReason): void {
    this.closedFor = reason;
  }

  /** All that was written, frame boundaries forgotten. */
  get text(): string {
    return this.writes.flat().join("");
  }
}

/** Writes a message as `topic:payload;` and counts how often. */
export class CountingEncoding implements Encoding {
  encoded = 0;

  topicText(topic: string): string {
    return topic;
  }

  frame({ payload }: Message, topic: string): Uint8Array {
    this.encoded += 1;
    return Buffer.from(`${topic}:${Buffer.from(payload).toString("latin1")};`, "latin1");
  }

  laggedFrame(topic: string, missed: number): Uint8Array {
    return Buffer.from(`${topic}!${missed};`);
  }

  presenceFrame(): undefined {}
}

/** Delivery of topics that no broker delivers to: tests call the fan-out. */
const unsubscribed: TopicDelivery = {
  deliver() {
    throw new Error("not subscribed");
  },
};

export function topicNamed(name: string, rules: Partial<TopicRules> = {}): Topic {
  return new Topic(
    { vhost: "/", broker: "memory", name, traffic: new Traffic(), delivery: unsubscribed },
    { ...DEFAULT_RULES, ...rules },
  );
}

/** A hub and a fan-out whose turns end when the test says so. */
export class Bench {
  readonly left: Topic[] = [];
  readonly clock = new ManualClock();
  readonly drops: Drops = { disconnect: 0, drop_oldest: 0, latest: 0 };
  readonly outbox: OutboxContext;
  readonly fanOut: FanOut;
  readonly hub: Hub;
  readonly #endOfTurn: (() => void)[] = [];
  #sessions = 0;

  /** @param limit - bytes that may wait for a session */
  constructor(limit = 1_000) {
    this.outbox = new OutboxContext(limit, this.drops);
    this.fanOut = new FanOut({
      outbox: this.outbox,
      endOfTurn: (run) => {
        this.#endOfTurn.push(run);
      },
      clock: this.clock,
      onSlow: (session) => {
        this.hub.remove(session, "slow_consumer");
      },
    });
    this.hub = new Hub(this.fanOut, (topic) => {
      this.left.push(topic);
    });
  }

  session(sink: Sink, encoding: Encoding, frames?: SessionFrames): Session {
    this.#sessions += 1;
    const session = new Session({ id: `s${this.#sessions}`, vhost: "/", encoding, sink, outbox: this.outbox, frames });
    this.hub.add(session);
    return session;
  }

  endTurn(): void {
    for (const run of this.#endOfTurn.splice(0)) run();
  }
}

export function message(payload: string): Message {
  return { id: payload, event: "", sender: "", time: 0, payload: Buffer.from(payload, "latin1") };
}
