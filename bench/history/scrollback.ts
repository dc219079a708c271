import { Histogram } from "../support/histogram.js";
import { microseconds, topicName } from "../support/payload.js";
import { progress } from "../support/progress.js";
import type { Options, Part } from "../support/report.js";
import { spread } from "../support/table.js";
import { HistoryClient } from "./native-client.js";
import { type HistorySetting, STORED_TOPIC } from "./setting.js";

const PAGE = 50;
const BYTES = 100;

/** Pages that a client reads. */
interface PageKind {
  readonly name: string;
  /** Number of messages between the page and the newest message. */
  readonly behind: (page: number) => number;
}

const KINDS: readonly PageKind[] = [
  { name: "the newest page", behind: () => 0 },
  { name: "earlier pages", behind: (page) => 600 + (page % 20) * PAGE },
];

/** Measures the time from a `history` command to its answer. */
export async function measureScrollback(
  { contender, delivering }: HistorySetting,
  { rounds, toy }: Options,
): Promise<{ readonly part: Part }> {
  const stored = 2_000;
  for (let count = 0; count < stored; count += 100) {
    await contender.publish(
      Array.from({ length: 100 }, () => STORED_TOPIC),
      BYTES,
    );
  }
  const client = await HistoryClient.connect(delivering.port);
  const topic = topicName(STORED_TOPIC);
  try {
    const positions = await readPositions(client, topic, stored);
    const rows: string[][] = [];
    for (const { behind, name } of KINDS) {
      const halves: number[] = [];
      const tails: number[] = [];
      for (let round = rounds === 1 ? 1 : 0; round <= rounds; round += 1) {
        progress(`history: scrollback, ${name}, ${round === 0 ? "warm-up" : `round ${round} of ${rounds}`}`);
        const times = new Histogram();
        for (let page = 0; page < (toy ? 20 : 100); page += 1) {
          const before = positions.at(-1 - behind(page));
          const begin = microseconds();
          const messages = await client.read(topic, { limit: PAGE, ...(before !== undefined && { before }) });
          times.add(microseconds() - begin);
          if (messages.length !== PAGE) throw new Error(`${messages.length} messages instead of ${PAGE}`);
        }
        if (round === 0) continue;
        halves.push(times.percentile(0.5) / 1_000);
        tails.push(times.percentile(0.99) / 1_000);
      }
      rows.push([name, spread(halves, 2), spread(tails, 2)]);
    }
    return { part: { head: [`scrollback of ${PAGE} messages`, "p50 ms", "p99 ms"], rows } };
  } finally {
    client.close();
  }
}

/** Reads the positions of the stored messages, oldest first. */
async function readPositions(client: HistoryClient, topic: string, count: number): Promise<readonly string[]> {
  let positions: string[] = [];
  while (positions.length < count) {
    const [before] = positions;
    const page = await client.read(topic, { limit: 1_000, ...(before !== undefined && { before }) });
    if (page.length === 0) break;
    positions = [...page.map(({ position }) => position), ...positions];
  }
  return positions;
}
