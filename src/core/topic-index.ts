import { Topic } from "./topic.js";
import type { RulesOf, TopicRules } from "./topic-rules.js";

/** The topics of this node by vhost, broker and name. A topic of one vhost is never found by another (design: vhost). */
export class TopicIndex {
  readonly #rulesOf: RulesOf;
  readonly #realms = new Map<string, Map<string, Topic>>();
  #size = 0;

  constructor(rulesOf: RulesOf) {
    this.#rulesOf = rulesOf;
  }

  get size(): number {
    return this.#size;
  }

  /** All topics of a vhost. */
  *of(vhost: string): Generator<Topic> {
    for (const [key, realm] of this.#realms) if (key.startsWith(`${vhost}\n`)) yield* realm.values();
  }

  /** The vhost's rules have changed: its topics get the new ones. @param onChanged - told of each, when it has them */
  refresh(vhost: string, onChanged?: (topic: Topic, before: TopicRules) => void): void {
    for (const topic of this.of(vhost)) {
      const before = topic.rules;
      topic.rules = this.#rulesOf(vhost, topic.name);
      onChanged?.(topic, before);
    }
  }

  find(vhost: string, broker: string, name: string): Topic | undefined {
    return this.#realms.get(realmKey(vhost, broker))?.get(name);
  }

  findOrAdd(vhost: string, broker: string, name: string): Topic {
    const key = realmKey(vhost, broker);
    let realm = this.#realms.get(key);
    if (realm === undefined) {
      realm = new Map();
      this.#realms.set(key, realm);
    }
    let topic = realm.get(name);
    if (topic === undefined) {
      topic = new Topic(vhost, broker, name, this.#rulesOf(vhost, name));
      realm.set(name, topic);
      this.#size += 1;
    }
    return topic;
  }

  remove(topic: Topic): void {
    const key = realmKey(topic.vhost, topic.broker);
    const realm = this.#realms.get(key);
    if (realm?.get(topic.name) !== topic) return;
    realm.delete(topic.name);
    this.#size -= 1;
    if (realm.size === 0) this.#realms.delete(key);
  }
}

/** A line feed is in no vhost path and in no broker name, so two pairs never make one key. */
function realmKey(vhost: string, broker: string): string {
  return `${vhost}\n${broker}`;
}
