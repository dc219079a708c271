import { checkSteps, runInTurns } from "../access/patterns/match-ahead.js";
import type { HistoryClass, HistoryFinder } from "../core/history.js";
import type { PublicationDraft } from "../core/publishing/publication-draft.js";
import type { Publisher } from "../core/publishing/publisher.js";

/** Steps that a request of a backend may take without waiting for a slice. They take 0.1 ms. */
const UNCOUNTED_STEPS = 10_000;

/**
 * Finds the history classes of the topics that a backend publishes, in slices where that takes long (rule O12).
 * @returns undefined if the publisher can find them
 * @throws CarillonError resource_exhausted: it would take too long
 */
export function findHistoryAhead(
  publisher: Pick<Publisher, "historyOf">,
  vhost: string,
  drafts: readonly Pick<PublicationDraft, "topics">[],
): Promise<HistoryFinder["find"]> | undefined {
  const history = publisher.historyOf(vhost);
  if (history === undefined) return undefined;
  let steps = 0;
  for (const { topics } of drafts) for (const topic of topics) steps += history.steps(topic);
  if (steps <= UNCOUNTED_STEPS) return undefined;
  checkSteps(steps);
  return runInTurns(vhost, findInSteps(history, drafts));
}

function* findInSteps(
  history: HistoryFinder,
  drafts: readonly Pick<PublicationDraft, "topics">[],
): Generator<number, HistoryFinder["find"]> {
  const classes = new Map<string, HistoryClass>();
  for (const { topics } of drafts) {
    for (const topic of topics) {
      const found = history.find(topic);
      if (found !== undefined) classes.set(topic, found);
      yield history.steps(topic);
    }
  }
  return (topic) => classes.get(topic);
}
