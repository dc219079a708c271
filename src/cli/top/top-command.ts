import { readFileSync } from "node:fs";
import { MetricsService, type NodeMetrics, type WatchMetricsResponse } from "../../../gen/carillon/v1/metrics_pb.js";
import { CarillonError } from "../../errors.js";
import { BackendClient } from "../../outbound/backend/backend-client.js";
import { Backoff } from "../../outbound/backoff.js";
import { fail } from "../exit-code.js";
import type { BackendFlags } from "../node-options.js";
import { sleep } from "../sleep.js";
import { usesColor } from "../terminal/color.js";
import { formatTime } from "../terminal/format-time.js";
import { printJson } from "../terminal/print.js";
import { Screen } from "../terminal/screen.js";
import { drawCluster } from "./cluster-view.js";

export interface TopFlags extends BackendFlags {
  /** In milliseconds. */
  readonly interval: number;
  readonly once?: true;
  readonly json?: true;
}

/** Milliseconds without readings, in addition to the interval, after which the node counts as unreachable. */
const PATIENCE = 10_000;

/** Upper bounds of the first wait before connecting again, and of later ones, in milliseconds. */
const FIRST_WAIT = 500;
const MAX_WAIT = 5_000;

const CTRL_C = "\u0003";

/** Shows the nodes of a cluster until the user quits: on the whole terminal, or elsewhere as one table after the other. */
export async function topCommand(flags: TopFlags): Promise<void> {
  const stop = new AbortController();
  const quit = (): void => {
    stop.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, quit);
  const isLive = process.stdout.isTTY && flags.once !== true && flags.json !== true;
  try {
    if (isLive) await showLive(flags, stop);
    else await print(flags, stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) fail(error);
  }
}

async function print(flags: TopFlags, signal: AbortSignal): Promise<void> {
  const colored = usesColor(process.stdout);
  const size = { rows: Number.POSITIVE_INFINITY, columns: Number.POSITIVE_INFINITY, colored };
  let answers = 0;
  for await (const answer of watch(flags, signal)) {
    answers += 1;
    // Only the second answer has rates.
    if (answers === 1) continue;
    if (flags.json === true) printJson(describe(answer));
    else process.stdout.write(`${drawCluster(answer, size, "").join("\n")}\n\n`);
    if (flags.once === true) return;
  }
}

async function showLive(flags: TopFlags, stop: AbortController): Promise<void> {
  let latest: WatchMetricsResponse | undefined;
  let trouble = "";
  const draw = (): void => {
    if (latest === undefined || stop.signal.aborted) return;
    screen.draw(drawCluster(latest, { ...screen.size, colored: usesColor(process.stdout) }, trouble));
  };
  const screen = new Screen({
    onResize: draw,
    onKey: (key) => {
      if (["q", "Q", CTRL_C].includes(key)) stop.abort();
    },
  });
  const backoff = new Backoff(FIRST_WAIT, MAX_WAIT);
  try {
    while (!stop.signal.aborted) {
      try {
        for await (const answer of watch(flags, stop.signal)) {
          latest = answer;
          trouble = "";
          backoff.reset();
          draw();
        }
        trouble = "the node has ended the connection";
      } catch (error) {
        // Without any readings, the address or the key may be wrong.
        if (latest === undefined) throw error;
        trouble = CarillonError.from(error).message;
      }
      draw();
      await sleep(backoff.next(), stop.signal);
    }
  } finally {
    screen.leave();
  }
}

/** Yields the readings of one connection. @throws CarillonError also when none come in time */
async function* watch(flags: TopFlags, signal: AbortSignal): AsyncGenerator<WatchMetricsResponse> {
  const { ca, interval, key, server, vhost } = flags;
  const client = new BackendClient({ url: server, key, vhost, ca: ca === undefined ? undefined : readFileSync(ca) });
  const attempt = new AbortController();
  const abort = (): void => {
    attempt.abort();
  };
  signal.addEventListener("abort", abort);
  if (signal.aborted) abort();
  const watchdog = setTimeout(abort, interval + PATIENCE);
  try {
    const seconds = BigInt(Math.floor(interval / 1_000));
    const request = { interval: { seconds, nanos: (interval % 1_000) * 1_000_000 } };
    for await (const answer of client.watch(MetricsService.method.watchMetrics, request, attempt.signal)) {
      watchdog.refresh();
      yield answer;
    }
  } catch (error) {
    if (!attempt.signal.aborted || signal.aborted) throw error;
    throw new CarillonError(
      "deadline_exceeded",
      `no readings received from the node for ${(interval + PATIENCE) / 1_000} s`,
    );
  } finally {
    clearTimeout(watchdog);
    signal.removeEventListener("abort", abort);
    client.close();
  }
}

/** Returns the readings as `--json` prints them: times in seconds, sizes in bytes, rates per second. */
function describe({ missingNodes, node, nodes, time }: WatchMetricsResponse): object {
  return { time: formatTime(time), node, nodes: nodes.map(describeNode), missingNodes };
}

function describeNode(node: NodeMetrics): object {
  const { counters, rates } = node;
  return {
    id: node.id,
    version: node.version,
    uptime: Number(node.uptime?.seconds ?? 0n),
    notReady: node.notReady,
    connections: node.connections,
    topics: node.topics,
    subscriptions: node.subscriptions,
    slowSessions: node.slowSessions,
    workers: node.workers,
    messagesIn: Number(counters?.messagesIn ?? 0n),
    messagesOut: Number(counters?.messagesOut ?? 0n),
    bytesIn: Number(counters?.bytesIn ?? 0n),
    bytesOut: Number(counters?.bytesOut ?? 0n),
    drops: Object.fromEntries(Object.entries(counters?.drops ?? {}).map(([reason, value]) => [reason, Number(value)])),
    ...(rates !== undefined && {
      rates: {
        messagesIn: rates.messagesIn,
        messagesOut: rates.messagesOut,
        bytesIn: rates.bytesIn,
        bytesOut: rates.bytesOut,
        drops: rates.drops,
        cpu: rates.cpu,
      },
    }),
    eventLoopDelayP99: node.eventLoopDelayP99,
    eventLoopDelayMax: node.eventLoopDelayMax,
    memoryBytes: Number(node.memoryBytes),
    heapBytes: Number(node.heapBytes),
    brokers: node.brokers.map(({ connected, driver, name }) => ({ name, driver, connected })),
    clusterConnected: node.clusterConnected,
    storeConnected: node.storeConnected,
  };
}
