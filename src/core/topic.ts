import type { Encoding, FrameMaker, TopicSubscription } from "./ports.js";
import type { Session } from "./session.js";
import type { TopicRules } from "./topic-rules.js";

/** Sessions of one topic that share an encoding, and their frames gathered in this turn. */
export class EncodingGroup {
  readonly makeFrame: FrameMaker;
  readonly members: Session[] = [];
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
    this.makeFrame = encoding.frameMaker(topic.name);
  }
}

/** Index of a session in its group's list of members. It changes when another session leaves. */
export interface Membership {
  readonly group: EncodingGroup;
  place: number;
}

/** A topic with members on this node, with joins in flight, or lingering after its last member left. */
export class Topic {
  /** One group for each encoding in use: one or two, rarely more. */
  readonly groups: EncodingGroup[] = [];
  /** Number of members and of joins in flight. The subscription is kept while it is above 0. */
  holders = 0;
  subscription: TopicSubscription | undefined;

  constructor(
    readonly vhost: string,
    readonly broker: string,
    readonly name: string,
    /** Current rules of the vhost; they may change while the topic exists. */
    public rules: TopicRules,
  ) {}

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
      this.groups.push(group);
    }
    return group;
  }
}
