/** Shortest time between two counts of a topic from which a rate is computed, in milliseconds. */
const SHORTEST = 1_000;

/** Computes the rates of topics from the counts of their messages in successive lists. */
export class TopicRates {
  /** Counts and times by broker and topic. */
  #before = new Map();

  /** Returns the topics of a list with their rates per second, which are undefined for a topic that is new. */
  add(topics) {
    const now = performance.now();
    return topics.map((topic) => {
      const key = `${topic.broker} ${topic.name}`;
      const messages = Number(topic.messages ?? 0);
      const before = this.#before.get(key);
      if (before !== undefined && now - before.at < SHORTEST) return { ...topic, rate: before.rate };
      // The count begins anew when the topic was not in use.
      const isKnown = before !== undefined && messages >= before.messages;
      const rate = isKnown ? ((messages - before.messages) * 1_000) / (now - before.at) : undefined;
      this.#before.set(key, { messages, at: now, rate });
      return { ...topic, rate };
    });
  }
}
