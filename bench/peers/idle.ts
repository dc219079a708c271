import { withContenders } from "../support/contender.js";
import { FAULTS_HEAD, formatFaults } from "../support/counts.js";
import { type Idle, measureIdle } from "../support/idle-connections.js";
import { progress } from "../support/progress.js";
import type { Options } from "../support/report.js";
import { median, spread } from "../support/table.js";
import { beginAll, type Field } from "./field.js";
import { ratio, type Section } from "./section.js";

/** Measures the memory of idle subscribers of one topic, in new processes each round. */
export async function measureSubscribers(field: Field, { rounds, toy }: Options): Promise<Section> {
  const topics = Array.from({ length: toy ? 300 : 12_000 }, () => 0);
  const results = new Map<string, Idle[]>();
  for (let round = 1; round <= rounds; round += 1) {
    for (const begin of beginAll(field, { flags: ["--expose-gc"] })) {
      progress(`peers: idle subscribers, round ${round} of ${rounds}`);
      const [name, result] = await withContenders([begin], async ([contender]) => [
        contender?.name ?? "",
        await measureIdle(contender, topics, 0),
      ]);
      results.set(name, [...(results.get(name) ?? []), result]);
    }
  }
  const kilobytes = (name: string): number[] => (results.get(name) ?? []).map(({ resident }) => resident / 1_024);
  const rows = [...results].map(([name, measured]) => [
    name,
    spread(kilobytes(name), 2),
    ratio(median(kilobytes(name)), median(kilobytes("Centrifugo"))),
    formatFaults(measured.map(({ faults }) => faults)),
  ]);
  const text = `**Idle subscribers**, ${topics.length}: growth of the resident memory of a new process, after a garbage collection.`;
  return { parts: [{ text, head: ["server", "KB each", "vs Centrifugo", FAULTS_HEAD], rows }], bars: [] };
}
