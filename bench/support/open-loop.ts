import type { Contender } from "./contender.js";
import { countFaults, type Faults } from "./counts.js";
import type { Histogram } from "./histogram.js";
import { pause } from "./pause.js";

export interface Paced {
  /** Time from publishing to receiving, in microseconds. */
  readonly latency: Histogram;
  readonly faults: Faults;
}

export interface Pace {
  readonly topic: number;
  readonly sessions: number;
  readonly bytes: number;
  /** Turns per second; {@link perTurn} is the number of messages of each. */
  readonly rate: number;
  readonly perTurn: number;
  readonly milliseconds: number;
}

/** Publishes at a steady rate that does not depend on the server: a slow answer never delays the next message. */
export async function measurePaced(contender: Contender, pace: Pace): Promise<Paced> {
  const { load } = contender;
  const before = await load.counts();
  await load.beginLatency();
  const sent = await publishPaced(contender, pace);
  const expected = sent * pace.perTurn * pace.sessions;
  await load.arrived(before.received + expected);
  return { latency: await load.endLatency(), faults: countFaults(before, await load.counts(), expected) };
}

/** @returns number of published turns */
async function publishPaced(
  contender: Contender,
  { bytes, milliseconds, perTurn, rate, topic }: Pace,
): Promise<number> {
  const topics = Array.from({ length: perTurn }, () => topic);
  const turns = Math.max(3, Math.round((milliseconds / 1_000) * rate));
  const begin = performance.now();
  const answers: Promise<unknown>[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    const wait = begin + (turn / rate) * 1_000 - performance.now();
    if (wait > 0) await pause(wait);
    answers.push(contender.publish(topics, bytes));
  }
  await Promise.all(answers);
  return turns;
}

/** Measures the turns per second that a server delivers under load, with several turns always pending. */
export async function measureCapacity(contender: Contender, pace: Omit<Pace, "rate">): Promise<number> {
  const { load } = contender;
  const topics = Array.from({ length: pace.perTurn }, () => pace.topic);
  const perTurn = pace.perTurn * pace.sessions;
  const { received } = await load.counts();
  const begin = performance.now();
  let turns = 0;
  while (turns < 8 || performance.now() - begin < pace.milliseconds) {
    await contender.publish(topics, pace.bytes);
    turns += 1;
    await load.arrived(received + Math.max(0, turns - PENDING_TURNS) * perTurn);
  }
  await load.arrived(received + turns * perTurn);
  return (turns / (performance.now() - begin)) * 1_000;
}

const PENDING_TURNS = 4;
