import { isDeepStrictEqual } from "node:util";
import type { HistoryClassSettings } from "../config/history.js";
import type { VhostSettings } from "../config/vhost.js";
import type { HistoryClass } from "../core/history.js";

/** Time for which a repeated message id is recognized by default, in milliseconds; less where messages are kept for less. */
const DEDUPLICATION = 120_000;

/** The history classes of a vhost, by name. */
export type HistoryClasses = ReadonlyMap<string, HistoryClass>;

/**
 * Creates the history classes of a vhost.
 * @param before - classes of the earlier settings: an unchanged class stays the same object
 */
export function createHistoryClasses({ history }: VhostSettings, before?: HistoryClasses): HistoryClasses {
  const classes = Object.entries(history).map(([name, settings]) => {
    const created = toHistoryClass(name, settings);
    const known = before?.get(name);
    return [name, isDeepStrictEqual(known, created) && known !== undefined ? known : created] as const;
  });
  return new Map(classes);
}

function toHistoryClass(name: string, settings: HistoryClassSettings): HistoryClass {
  const { age, bytes, deduplication, messages, replicas, storage, topic_bytes: topicBytes } = settings;
  return {
    name,
    messages,
    age,
    bytes,
    topicBytes,
    storage,
    replicas,
    deduplication: deduplication ?? Math.min(DEDUPLICATION, age),
  };
}
