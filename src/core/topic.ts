import type { Encoding, FrameMaker, Subscription } from "./ports.js";
import type { Session } from "./session.js";
import type { TopicRules } from "./topic-rules.js";

/** The sessions of one topic that share an encoding, and the frames of this turn that they have yet to get. */
export class TopicListeners {
  readonly makeFrame: FrameMaker;
  readonly members: Session[] = [];
  // Nearly every turn brings a topic one message: no list is made for it.
  first: Uint8Array | undefined;
  more: Uint8Array[] | undefined;
  /** Of the frames together. */
  bytes = 0;
  /** Ends the wait for their write delay. */
  cancelDelay: (() => void) | undefined;

  constructor(
    readonly topic: Topic,
    readonly encoding: Encoding,
  ) {
    this.makeFrame = encoding.frameMaker(topic.name);
  }
}

/** A session's place in a topic. The place moves when another session leaves. */
export interface Membership {
  readonly audience: TopicListeners;
  place: number;
}

/** A topic that somebody on this node is in, joins, or left a moment ago. */
export class Topic {
  /** One for each encoding in use: one or two, rarely more. */
  readonly audiences: TopicListeners[] = [];
  /** Members, and joins under way: what keeps the subscription. */
  holders = 0;
  subscription: Subscription | undefined;

  constructor(
    readonly vhost: string,
    readonly broker: string,
    readonly name: string,
    /** Those of the vhost as it is now: they may change while the topic lives. */
    public rules: TopicRules,
  ) {}

  /** Sessions of this node that are in it. */
  get sessions(): number {
    let sum = 0;
    for (const { members } of this.audiences) sum += members.length;
    return sum;
  }

  audienceFor(encoding: Encoding): TopicListeners {
    let audience = this.audiences.find((candidate) => candidate.encoding === encoding);
    if (audience === undefined) {
      audience = new TopicListeners(this, encoding);
      this.audiences.push(audience);
    }
    return audience;
  }
}
