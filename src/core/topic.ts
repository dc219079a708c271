import type { Message } from "./message.js";
import type { Encoding, MessageReceiver, TopicSubscription } from "./ports.js";
import type { Session } from "./session.js";
import type { TopicRules } from "./topic-rules.js";
import type { Traffic } from "./traffic.js";

/** Copies a text into one piece. A concatenation refers to its parts, which every message would look up. */
function flatten(text: string): string {
  return Buffer.from(text).toString();
}

/** Sessions of one topic that share an encoding, and their frames gathered in this turn. */
export class EncodingGroup {
  /** Text that the frames of all messages share. */
  readonly topicText: string;
  /** Members in any order. */
  members: Session[] = [];
  // Most turns bring a topic one message; no list is allocated for it.
  first: Uint8Array | undefined;
  more: Uint8Array[] | undefined;
  /** Total size of the gathered frames, in bytes. */
  bytes = 0;
  /** Cancels the timer of the topic's write delay. */
  cancelDelay: (() => void) | undefined;

  constructor(
    readonly topic: Topic,
    readonly encoding: Encoding,
  ) {
    this.topicText = flatten(encoding.topicText(topic.name));
  }

  /** Adds a member and returns its place. */
  add(session: Session): number {
    // Most groups have one member. Pushed to an empty list, it would reserve space for 16 more.
    if (this.members.length === 0) this.members = [session];
    else this.members.push(session);
    return this.members.length - 1;
  }

  makeFrame(message: Message): Uint8Array {
    return this.encoding.frame(message, this.topicText);
  }
}

/** Index of a session in its group's list of members. It changes when another session leaves. */
export interface Membership {
  readonly group: EncodingGroup;
  place: number;
}

/** Delivers messages to the members of a topic. */
export interface TopicDelivery {
  deliver(topic: Topic, message: Message): void;
}

export interface TopicOptions {
  readonly vhost: string;
  readonly broker: string;
  readonly name: string;
  /** Counts the traffic of the vhost on the broker. */
  readonly traffic: Traffic;
  readonly delivery: TopicDelivery;
}

/** A topic with members on this node, with joins in flight, or lingering after its last member left. */
export class Topic implements MessageReceiver {
  /** One group for each encoding in use: one or two, rarely more. */
  groups: readonly EncodingGroup[] = [];
  /** Number of members and of joins in flight. The subscription is kept while it is above 0. */
  holders = 0;
  /** Number of messages that have arrived. */
  messages = 0;
  subscription: TopicSubscription | undefined;

  readonly vhost: string;
  readonly broker: string;
  readonly name: string;
  readonly traffic: Traffic;
  readonly #delivery: TopicDelivery;

  constructor(
    { broker, delivery, name, traffic, vhost }: TopicOptions,
    /** Current rules of the vhost; they may change while the topic exists. */
    public rules: TopicRules,
  ) {
    this.vhost = vhost;
    this.broker = broker;
    this.name = name;
    this.traffic = traffic;
    this.#delivery = delivery;
  }

  deliver(message: Message): void {
    this.messages += 1;
    this.#delivery.deliver(this, message);
  }

  /** Number of members on this node. */
  get sessions(): number {
    let sum = 0;
    for (const { members } of this.groups) sum += members.length;
    return sum;
  }

  groupFor(encoding: Encoding): EncodingGroup {
    let group = this.groups.find((candidate) => candidate.encoding === encoding);
    if (group === undefined) {
      group = new EncodingGroup(this, encoding);
      this.groups = [...this.groups, group];
    }
    return group;
  }
}
