import { topicFault } from "../core/topic-name.js";
import { CarillonError } from "../errors.js";

/**
 * The topics that a command names, each once, in the order given.
 * @throws CarillonError invalid_argument for an empty list or a bad name
 */
export function distinctTopics(topics: readonly string[]): ReadonlySet<string> {
  if (topics.length === 0) throw new CarillonError("invalid_argument", "topics: at least one is needed");
  for (const [position, topic] of topics.entries()) {
    const fault = topicFault(topic);
    if (fault !== undefined) throw new CarillonError("invalid_argument", `topics[${position}] ${fault}`);
  }
  return new Set(topics);
}
