import type { Node } from "./carillon.js";
import type { Memory } from "./child.js";
import type { Contender } from "./contender.js";
import type { Faults } from "./counts.js";
import { readMetrics } from "./metrics.js";
import { measurePaced, type Pace } from "./open-loop.js";
import { pause } from "./pause.js";
import { joinText } from "./payload.js";

/** Results of one run with or without clients that stop reading. */
export interface StuckRun {
  /** 99th percentile of the other clients' latency, in microseconds. */
  readonly p99: number;
  /** Faults of the other clients. */
  readonly faults: Faults;
  /** Memory at the end, before the stuck clients read again. */
  readonly memory: Memory;
  readonly dropped: number;
  /** Number of messages to sessions that were neither received nor counted as dropped. */
  readonly unaccounted: number;
  /** Number of stuck clients that were closed. */
  readonly closed: number;
}

/** Measures new clients, because the policy may close the stuck ones. @param stuck - number of clients that stop reading */
export async function measureStuck(contender: Contender, node: Node, pace: Pace, stuck: number): Promise<StuckRun> {
  const { load, server } = contender;
  await contender.connect(Array.from({ length: pace.sessions }, () => joinText([pace.topic])));
  await load.pause(stuck);
  const before = await readMetrics(node.port);
  const { faults, latency } = await measurePaced(contender, { ...pace, sessions: pace.sessions - stuck });
  const memory = await server.memory();
  await load.resume();
  const received = await waitUntilStable(async () => (await load.slowCounts()).received);
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

/** Waits until a figure stops growing. */
async function waitUntilStable(read: () => Promise<number>): Promise<number> {
  let last = await read();
  for (;;) {
    await pause(300);
    const now = await read();
    if (now === last) return now;
    last = now;
  }
}
