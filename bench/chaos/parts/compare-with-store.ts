import type { ChaosClient } from "./chaos-client.js";
import type { ChaosPublisher } from "./chaos-publisher.js";
import { judge, type Verdict } from "./judge.js";
import type { Observations } from "./observations.js";
import type { StoredLog } from "./stored-log.js";

/** Maximum number of described faults. */
const REPORTED = 10;

/** Counts and verdict of a scenario. */
export interface ChaosResult {
  readonly clients: number;
  readonly stored: number;
  readonly retries: number;
  readonly duplicates: number;
  readonly recovered: number;
  readonly refused: ReadonlyMap<string, number>;
  readonly verdict: Verdict;
  /** Number of other violations of rules, and the first of them. */
  readonly faults: number;
  readonly texts: readonly string[];
}

/** Clients, publishers and stored messages at the end of a scenario. */
interface Finished {
  readonly clients: readonly ChaosClient[];
  readonly publishers: readonly ChaosPublisher[];
  readonly observed: Observations;
  readonly logs: ReadonlyMap<string, StoredLog>;
  readonly topics: readonly string[];
  /** Topics from which messages have been removed. */
  readonly trimmed: ReadonlySet<string>;
  readonly storedOf: (topic: string) => readonly string[];
}

/** Recoveries from positions that scenarios have chosen. */
interface ChosenRecoveries {
  /** Descriptions of recoveries from a position that is not the topic's. */
  readonly falseRecoveries: readonly string[];
  /** Reasons with which a recovery must have been refused. */
  readonly expected: readonly string[];
}

/** Compares what clients received, and the receipts of publishers, with the stored messages. */
export function compareWithStore(world: Finished, { expected, falseRecoveries }: ChosenRecoveries): ChaosResult {
  const falselyRecovered = falseRecoveries.length;
  const verdict: Verdict = {
    lost: 0,
    duplicated: 0,
    misordered: 0,
    falselyRecovered,
    repeatedUnrecovered: 0,
    unknown: 0,
  };
  const texts = falseRecoveries.slice(0, REPORTED);
  for (const reason of expected) {
    if (!world.observed.refused.has(reason)) world.observed.fault(`H3: no client was told ${reason}`);
  }
  const explain = (text: string): void => {
    if (texts.length < REPORTED) texts.push(text);
  };
  for (const topic of world.topics) {
    const stored = world.storedOf(topic);
    const judged = {
      topic,
      stored,
      numbers: new Map(stored.map((message, number) => [message, number])),
      messageAt: (position: string) => world.observed.messageAt(topic, position),
      isComplete: !world.trimmed.has(topic),
      explain,
    };
    for (const { journals } of world.clients) {
      const journal = journals.get(topic);
      if (journal !== undefined) judge(journal, judged, verdict);
    }
    checkReceipts(world, topic, judged.numbers);
  }
  for (const { repeated } of world.logs.values())
    for (const text of repeated) world.observed.fault(`H5: stored twice: ${text}`);
  const sum = (pick: (publisher: ChaosPublisher) => number): number =>
    world.publishers.reduce((total, publisher) => total + pick(publisher), 0);
  return {
    clients: world.clients.length,
    stored: world.topics.reduce((total, topic) => total + world.storedOf(topic).length, 0),
    retries: sum(({ retries }) => retries),
    duplicates: sum(({ duplicates }) => duplicates),
    recovered: world.observed.recovered,
    refused: world.observed.refused,
    verdict,
    faults: world.observed.faultCount,
    texts: [...texts, ...world.observed.faults],
  };
}

/** Checks that every receipt is kept, and that the store has each publisher's order. */
function checkReceipts({ observed, publishers }: Finished, topic: string, numbers: ReadonlyMap<string, number>): void {
  for (const publisher of publishers) {
    if (publisher.topic !== topic) continue;
    let last = -1;
    for (const message of publisher.stored) {
      const number = numbers.get(message);
      if (number === undefined) observed.fault(`H1: ${message} has a receipt and is not stored`);
      else if (number <= last) observed.fault(`O1: ${message} is stored out of order`);
      last = Math.max(last, number ?? last);
    }
  }
}
