import { nodeContender, startNode } from "./support/carillon.js";
import { Child } from "./support/child.js";
import { ConnectLoad } from "./support/connect-unary.js";
import type { Contender } from "./support/contender.js";
import { countFaults, FAULTS_HEAD, type Faults, formatFaults } from "./support/counts.js";
import { ECHO_PATH, GrpcLoad, PUBLISH_PATH, type Requests } from "./support/grpc.js";
import { joinText } from "./support/payload.js";
import { race } from "./support/race.js";
import type { Benchmark } from "./support/report.js";
import { countConfirmed, createNumberedRequests, encodeNumbered, repeatRequest } from "./support/requests.js";
import { median, spread } from "./support/table.js";

const BYTES = 100;
const BATCH = 100;
/** Number of concurrent unary calls. */
const CONCURRENCY = 64;
/** Topic without subscribers, so that only the publishing side is measured. */
const EMPTY_TOPIC = 1;
const WATCHED_TOPIC = 0;

/** Way to publish. */
interface Way {
  readonly name: string;
  readonly server: Child;
  readonly perRequest: number;
  /** Returns the number of messages that an answer confirms. */
  readonly confirms: (answer: Buffer) => number;
  readonly send: (next: Requests, concurrency: number, onAnswer: (answer: Buffer) => void) => Promise<void>;
}

interface Published {
  /** CPU time of the server per message, in microseconds. */
  readonly cpu: number;
  readonly perSecond: number;
  readonly unanswered: number;
}

export const publish: Benchmark = async ({ profiles, rounds, toy }) => {
  const node = await startNode();
  const contender = nodeContender("carillon", node, { profiles });
  const echo = new Child("servers/echo.js");
  const echoLoad = new GrpcLoad((await echo.ask<{ readonly grpc: string }>("start")).grpc);
  const grpc = new GrpcLoad(node.grpc);
  const connect = new ConnectLoad(node.port);
  const unary: Way["send"] = (...all) => grpc.unary(PUBLISH_PATH, ...all);
  const stream: Way["send"] = (next, _concurrency, onAnswer) => grpc.stream(next, onAnswer);
  const byConnect: Way["send"] = (...all) => connect.unary(...all);
  const server = node.child;
  const ways: readonly Way[] = [
    { name: "gRPC unary", server, perRequest: 1, confirms: countConfirmed, send: unary },
    { name: "Connect unary", server, perRequest: 1, confirms: countConfirmed, send: byConnect },
    { name: "gRPC stream", server, perRequest: 1, confirms: countConfirmed, send: stream },
    { name: "gRPC unary, 100 per request", server, perRequest: BATCH, confirms: countConfirmed, send: unary },
    { name: "gRPC stream, 100 per request", server, perRequest: BATCH, confirms: countConfirmed, send: stream },
    {
      name: "bare grpc-js echo",
      server: echo,
      perRequest: 1,
      confirms: () => 1,
      send: (...all) => echoLoad.unary(ECHO_PATH, ...all),
    },
  ];
  try {
    await contender.connect([joinText([WATCHED_TOPIC])]);
    const results = await race("publish", rounds, ways, (way) => measure(way, toy));
    const counted: (Faults | undefined)[] = [];
    for (const way of ways) counted.push(way.server === echo ? undefined : await countDeliveries(way, contender, toy));
    const cpus = results.map((measured) => measured.map(({ cpu }) => cpu));
    const medians = cpus.map(median);
    const [unaryCpu = 0, , streamCpu = 0, unaryBatch = 0, streamBatch = 0, echoCpu = 0] = medians;
    const rows = ways.map(({ name }, position) => {
      const measured = results[position] ?? [];
      const delivered = counted[position];
      return [
        name,
        spread(cpus[position] ?? [], 2),
        `${((medians[position] ?? 0) / unaryCpu).toFixed(3)} ×`,
        spread(
          measured.map(({ perSecond }) => perSecond),
          0,
        ),
        String(measured.reduce((sum, { unanswered }) => sum + unanswered, 0)),
        delivered === undefined ? "" : formatFaults([delivered]),
      ];
    });
    return {
      how: `Messages of ${BYTES} B to one topic without subscribers; ${CONCURRENCY} unary calls at a time, one stream. Deliveries to one session are counted in a separate run.`,
      parts: [
        {
          head: ["way", "CPU µs per message", "vs unary", "messages/s", "unanswered", FAULTS_HEAD],
          rows,
        },
      ],
      bars: [
        { what: "unary vs bare echo", limit: 1.25, found: unaryCpu / echoCpu, unit: "×" },
        { what: "stream vs unary", limit: 0.35, found: streamCpu / unaryCpu, unit: "×" },
        { what: "100 per unary request vs unary", limit: 0.08, found: unaryBatch / unaryCpu, unit: "×", digits: 3 },
        { what: "100 per stream request vs unary", limit: 0.08, found: streamBatch / unaryCpu, unit: "×", digits: 3 },
      ],
    };
  } finally {
    for (const load of [echoLoad, grpc, connect]) load.close();
    await Promise.all([contender.stop(), echo.stop()]);
  }
};

async function measure({ confirms, perRequest, send, server }: Way, toy: boolean): Promise<Published> {
  const request = encodeNumbered(
    EMPTY_TOPIC,
    Array.from({ length: perRequest }, () => 1),
    BYTES,
  );
  const begin = { cpu: await server.cpu(), time: performance.now() };
  const { next, sent } = repeatRequest(request, toy ? 0 : 1_500, 100);
  let answered = 0;
  await send(next, CONCURRENCY, (answer) => {
    answered += confirms(answer);
  });
  const milliseconds = performance.now() - begin.time;
  const cpu = (await server.cpu()) - begin.cpu;
  const messages = sent() * perRequest;
  return { cpu: cpu / messages, perSecond: (messages / milliseconds) * 1_000, unanswered: messages - answered };
}

/** Counts deliveries with one call at a time, so that messages keep the order of calls. */
async function countDeliveries({ perRequest, send }: Way, { load }: Contender, toy: boolean): Promise<Faults> {
  await load.connect([joinText([WATCHED_TOPIC])]);
  const before = await load.counts();
  const messages = toy ? 200 : 5_000;
  await send(createNumberedRequests(WATCHED_TOPIC, messages, perRequest, BYTES), 1, () => {});
  await load.arrived(messages);
  return countFaults(before, await load.counts(), messages);
}
