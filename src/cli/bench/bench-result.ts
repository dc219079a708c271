import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { paint, usesColor } from "../terminal/color.js";

/** Times in milliseconds. */
export interface Times {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface BenchResult {
  readonly clients: {
    readonly connected: number;
    readonly seconds: number;
    readonly perSecond: number;
    /** Attempts that the server refused for now. */
    readonly retried: number;
    /** Connections that ended early, by code and reason. */
    readonly closed: Readonly<Record<string, number>>;
  };
  readonly published: {
    readonly messages: number;
    /** Messages that were not confirmed, and may or may not have been published. */
    readonly failed: number;
    readonly bytes: number;
    readonly topics: number;
    readonly seconds: number;
    readonly perSecond: number;
  };
  readonly delivered: {
    readonly messages: number;
    readonly perSecond: number;
    readonly lost: number;
    readonly duplicated: number;
    readonly misordered: number;
  };
  /** From when a message was due to its receipt by a client. */
  readonly latencyMs: Times | null;
  /** From a request to its answer. */
  readonly confirmationMs: Times | null;
  /** Largest share of time in which a thread of this program was busy, 0 to 1. */
  readonly busy: number;
  readonly interrupted: boolean;
}

/** @returns null without any values */
export function summarize(histograms: readonly RecordableHistogram[]): Times | null {
  const total = createHistogram({ lowest: 1, highest: 3_600_000_000, figures: 3 });
  for (const histogram of histograms) total.add(histogram);
  if (total.count === 0) return null;
  const at = (percentile: number): number => toMilliseconds(total.percentile(percentile));
  return { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: toMilliseconds(total.max) };
}

function toMilliseconds(microseconds: number): number {
  return Math.round(microseconds) / 1_000;
}

/** Formats a result for people. */
export function formatBenchResult(result: BenchResult): string {
  const { busy, clients, confirmationMs, delivered, interrupted, latencyMs, published } = result;
  const colored = usesColor(process.stdout);
  const faults = [
    ["lost", delivered.lost],
    ["duplicated", delivered.duplicated],
    ["misordered", delivered.misordered],
  ] as const;
  const closed = Object.entries(clients.closed).map(([reason, times]) => `${times} × ${reason}`);
  const lines = [
    [
      "clients",
      `${formatCount(clients.connected)} connected in ${clients.seconds} s (${formatCount(clients.perSecond)}/s)`,
    ],
    ...(clients.retried > 0
      ? [["", `${formatCount(clients.retried)} attempts were refused for now and repeated`]]
      : []),
    ...(closed.length > 0 ? [["", paint(`closed early: ${closed.join(", ")}`, "red", colored)]] : []),
    [
      "published",
      `${formatCount(published.messages)} messages of ${published.bytes} B on ${formatCount(published.topics)} ${published.topics === 1 ? "topic" : "topics"} in ${published.seconds} s (${formatCount(published.perSecond)}/s)`,
    ],
    ...(published.failed > 0 ? [["", paint(`${formatCount(published.failed)} not confirmed`, "red", colored)]] : []),
    ["delivered", `${formatCount(delivered.messages)} messages (${formatCount(delivered.perSecond)}/s)`],
    ["latency", formatTimes(latencyMs)],
    ["confirmation", formatTimes(confirmationMs)],
    [
      "faults",
      faults
        .map(([name, value]) => paint(`${formatCount(value)} ${name}`, value > 0 ? "red" : "green", colored))
        .join(", "),
    ],
    ...(busy > 0.9
      ? [
          [
            "note",
            paint(
              "this program was busy itself; the figures are better with more --threads or another machine",
              "yellow",
              colored,
            ),
          ],
        ]
      : []),
    ...(interrupted ? [["note", paint("interrupted: the result is partial", "yellow", colored)]] : []),
  ];
  return lines.map(([name = "", text]) => `${paint(name.padEnd(12), "bold", colored)}  ${text}\n`).join("");
}

function formatTimes(times: Times | null): string {
  if (times === null) return "no messages";
  const { max, p50, p90, p99, p999 } = times;
  return `p50 ${p50} ms, p90 ${p90} ms, p99 ${p99} ms, p99.9 ${p999} ms, max ${max} ms`;
}

function formatCount(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
