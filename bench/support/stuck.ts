import type { Node } from "./carillon.js";
import type { Memory } from "./child.js";
import type { Contender } from "./contender.js";
import type { Faults } from "./counts.js";
import { readMetrics } from "./metrics.js";
import { type Pace, paced } from "./open-loop.js";
import { pause } from "./pause.js";
import { joinText } from "./payload.js";

/** What one run with, or without, clients that stop reading has shown. */
export interface StuckRun {
  /** 99th percentile of the others' times, in microseconds. */
  readonly p99: number;
  /** Of the others. */
  readonly faults: Faults;
  /** At the end, when the stuck clients have not read again yet. */
  readonly memory: Memory;
  readonly dropped: number;
  /** Messages handed to sessions that were neither received nor counted as dropped. */
  readonly unaccounted: number;
  /** Of the stuck clients. */
  readonly closed: number;
}

/** New clients each time, as the policy may end the stuck ones. @param stuck - how many of them stop reading */
export async function stuckRun(contender: Contender, node: Node, pace: Pace, stuck: number): Promise<StuckRun> {
  const { load, server } = contender;
  await contender.connect(Array.from({ length: pace.sessions }, () => joinText([pace.topic])));
  await load.pause(stuck);
  const before = await readMetrics(node.port);
  const { faults, latency } = await paced(contender, { ...pace, sessions: pace.sessions - stuck });
  const memory = await server.memory();
  await load.resume();
  const received = await quiet(async () => (await load.slowCounts()).received);
  const after = await readMetrics(node.port);
  const dropped = after.dropped - before.dropped;
  const others = (await load.counts()).received;
  return {
    p99: latency.percentile(0.99),
    faults,
    memory,
    dropped,
    unaccounted: after.messagesOut - before.messagesOut - dropped - others - received,
    closed: (await load.slowCounts()).closed,
  };
}

/** Waits until a figure no longer grows. */
async function quiet(read: () => Promise<number>): Promise<number> {
  let last = await read();
  for (;;) {
    await pause(300);
    const now = await read();
    if (now === last) return now;
    last = now;
  }
}
