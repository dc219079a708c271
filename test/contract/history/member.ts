import type { Replay, ReplayStart } from "../../../src/core/history.js";
import type { Message } from "../../../src/core/message.js";
import type { BrokerDriver } from "../../../src/core/ports.js";
import { Queue } from "../../support/queue.js";
import { AMPLE, type TestTopic, textOf, textsOf } from "./support.js";

/** Payload of the last message of a test. */
export const END = "end";

/** A member of a topic: receives its replay, and the live messages from the turn in which the replay was taken. */
export class Member {
  readonly messages: Message[] = [];
  readonly #end = new Queue<Message>();
  #replay: Replay | undefined;
  #isMember = false;

  static async join(topic: TestTopic, driver: BrokerDriver, start: ReplayStart): Promise<Member> {
    const member = new Member();
    const subscription = driver.subscribe(topic.vhost, topic.topic, member, topic.history);
    await driver.settle();
    await subscription.log?.settle();
    const prepared = await subscription.log?.prepare(start, AMPLE);
    const replay = prepared?.take();
    member.#isMember = true;
    member.#replay = replay;
    for (const message of replay?.messages ?? []) member.deliver(message);
    return member;
  }

  get failure() {
    return this.#replay?.failure;
  }

  deliver(message: Message): void {
    if (!this.#isMember) return;
    this.messages.push(message);
    if (textOf(message) === END) this.#end.push(message);
  }

  async texts(): Promise<string[]> {
    await this.#end.next();
    return textsOf(this.messages);
  }
}
