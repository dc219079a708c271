import { Child } from "../support/child.js";
import { race } from "../support/race.js";
import type { Bar, Options, Part } from "../support/report.js";
import { median, spread } from "../support/table.js";
import { HISTORY_CLASS, HISTORY_SETTINGS, type HistorySetting } from "./setting.js";

const CONCURRENCY = 64;
const LIMIT = 1.3;

interface PublishedFigures {
  /** CPU time of the publishing process per message, in microseconds. */
  readonly cpu: number;
  readonly perSecond: number;
}

const WAYS = [
  { name: "JetStream publish of the NATS library", way: "bare" },
  { name: "topic with history", way: "stored" },
  { name: "topic without history", way: "plain" },
] as const;

/** Measures publishes to a topic with history beside bare publishes to the same stream, from one process. */
export async function measureStoredPublishes(
  { natsUrl }: HistorySetting,
  { rounds, toy }: Options,
): Promise<{ readonly part: Part; readonly bars: readonly Bar[] }> {
  const publisher = new Child("servers/history-publish.js");
  try {
    const subject = `carillon-history.${HISTORY_CLASS}._.bare`;
    await publisher.ask("start", { url: natsUrl, subject, history: HISTORY_SETTINGS });
    const messages = toy ? 200 : 10_000;
    const results = await race("history: publish", rounds, WAYS, async ({ way }): Promise<PublishedFigures> => {
      const begin = { cpu: await publisher.cpu(), time: performance.now() };
      await publisher.ask("run", { way, messages, concurrency: CONCURRENCY });
      const milliseconds = performance.now() - begin.time;
      return {
        cpu: ((await publisher.cpu()) - begin.cpu) / messages,
        perSecond: (messages / milliseconds) * 1_000,
      };
    });
    const cpus = results.map((measured) => measured.map(({ cpu }) => cpu));
    const [bare = Number.NaN, stored = Number.NaN] = cpus.map(median);
    const rows = WAYS.map(({ name }, position) => [
      name,
      spread(cpus[position] ?? [], 1),
      `${(median(cpus[position] ?? []) / bare).toFixed(2)} ×`,
      spread(
        (results[position] ?? []).map(({ perSecond }) => perSecond),
        0,
      ),
    ]);
    return {
      part: { head: [`publish, ${CONCURRENCY} at a time`, "CPU µs per message", "vs bare", "messages/s"], rows },
      bars: [{ what: "CPU per publish vs bare JetStream publish", limit: LIMIT, found: stored / bare, unit: "×" }],
    };
  } finally {
    await publisher.stop();
  }
}
