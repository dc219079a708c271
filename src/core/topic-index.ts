import { Topic, type TopicDelivery } from "./topic.js";
import type { RulesOf } from "./topic-rules.js";
import type { TrafficCounts } from "./traffic.js";

/** The topics of this node by vhost, broker and name. A lookup in one vhost never finds a topic of another. */
export class TopicIndex {
  readonly #rulesOf: RulesOf;
  readonly #delivery: TopicDelivery;
  readonly #traffic: TrafficCounts;
  readonly #realms = new Map<string, Map<string, Topic>>();
  #size = 0;

  constructor(rulesOf: RulesOf, delivery: TopicDelivery, traffic: TrafficCounts) {
    this.#rulesOf = rulesOf;
    this.#delivery = delivery;
    this.#traffic = traffic;
  }

  get size(): number {
    return this.#size;
  }

  /** All topics of a vhost. */
  *of(vhost: string): Generator<Topic> {
    for (const [key, realm] of this.#realms) if (key.startsWith(`${vhost}\n`)) yield* realm.values();
  }

  /** The topics of this name in a vhost, one for each broker. */
  *named(vhost: string, name: string): Generator<Topic> {
    for (const [key, realm] of this.#realms) {
      const topic = key.startsWith(`${vhost}\n`) ? realm.get(name) : undefined;
      if (topic !== undefined) yield topic;
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
      const traffic = this.#traffic.of(vhost, broker);
      topic = new Topic({ vhost, broker, name, traffic, delivery: this.#delivery }, this.#rulesOf(vhost, name));
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

/** Joins the names with a line feed, which neither can contain, so different pairs never share a key. */
function realmKey(vhost: string, broker: string): string {
  return `${vhost}\n${broker}`;
}
