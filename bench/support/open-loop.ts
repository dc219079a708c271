import type { Contender } from "./contender.js";
import { type Faults, faults } from "./counts.js";
import type { Histogram } from "./histogram.js";
import { pause } from "./pause.js";

export interface Paced {
  /** Microseconds from publishing to receiving. */
  readonly latency: Histogram;
  readonly faults: Faults;
}

export interface Pace {
  readonly topic: number;
  readonly sessions: number;
  readonly bytes: number;
  /** Turns a second, and the messages of each. */
  readonly rate: number;
  readonly perTurn: number;
  readonly milliseconds: number;
}

/** Publishes at a steady rate, whatever the server takes: a slow answer never makes the next message late. */
export async function paced(contender: Contender, pace: Pace): Promise<Paced> {
  const { load } = contender;
  const before = await load.counts();
  await load.beginLatency();
  const sent = await publishPaced(contender, pace);
  const wanted = sent * pace.perTurn * pace.sessions;
  await load.arrived(before.received + wanted);
  return { latency: await load.endLatency(), faults: faults(before, await load.counts(), wanted) };
}

/** @returns how many turns were published */
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

/**
 * Turns a second that a server delivers when it is never without work: some turns are always under way.
 */
export async function capacity(contender: Contender, pace: Omit<Pace, "rate">): Promise<number> {
  const { load } = contender;
  const topics = Array.from({ length: pace.perTurn }, () => pace.topic);
  const perTurn = pace.perTurn * pace.sessions;
  const { received } = await load.counts();
  const begin = performance.now();
  let turns = 0;
  while (turns < 8 || performance.now() - begin < pace.milliseconds) {
    await contender.publish(topics, pace.bytes);
    turns += 1;
    await load.arrived(received + Math.max(0, turns - UNDER_WAY) * perTurn);
  }
  await load.arrived(received + turns * perTurn);
  return (turns / (performance.now() - begin)) * 1_000;
}

const UNDER_WAY = 4;
