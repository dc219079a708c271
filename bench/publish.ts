import { nodeContender, startNode } from "./support/carillon.js";
import { Child } from "./support/child.js";
import { ConnectLoad } from "./support/connect-unary.js";
import type { Contender } from "./support/contender.js";
import { FAULTS_HEAD, type Faults, faults, faultsText } from "./support/counts.js";
import { ECHO_PATH, GrpcLoad, PUBLISH_PATH, type Requests } from "./support/grpc.js";
import { joinText } from "./support/payload.js";
import { race } from "./support/race.js";
import type { Benchmark } from "./support/report.js";
import { confirmed, numberedRequests, repeated, requestOf } from "./support/requests.js";
import { median, spread } from "./support/table.js";

const BYTES = 100;
const BATCH = 100;
/** Unary calls under way at a time. */
const ABREAST = 64;
/** Nobody is in this topic while times are taken: what is measured is the publishing side. */
const NOBODY = 1;
const SOMEBODY = 0;

/** A way to publish. */
interface Way {
  readonly name: string;
  readonly server: Child;
  readonly perRequest: number;
  /** How many messages an answer confirms. */
  readonly confirms: (answer: Buffer) => number;
  readonly send: (next: Requests, abreast: number, onAnswer: (answer: Buffer) => void) => Promise<void>;
}

interface Published {
  /** Microseconds of the server's CPU for each message. */
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
  const stream: Way["send"] = (next, _abreast, onAnswer) => grpc.stream(next, onAnswer);
  const byConnect: Way["send"] = (...all) => connect.unary(...all);
  const server = node.child;
  const ways: readonly Way[] = [
    { name: "gRPC unary", server, perRequest: 1, confirms: confirmed, send: unary },
    { name: "Connect unary", server, perRequest: 1, confirms: confirmed, send: byConnect },
    { name: "gRPC stream", server, perRequest: 1, confirms: confirmed, send: stream },
    { name: "gRPC unary, 100 a request", server, perRequest: BATCH, confirms: confirmed, send: unary },
    { name: "gRPC stream, 100 a request", server, perRequest: BATCH, confirms: confirmed, send: stream },
    {
      name: "bare grpc-js echo",
      server: echo,
      perRequest: 1,
      confirms: () => 1,
      send: (...all) => echoLoad.unary(ECHO_PATH, ...all),
    },
  ];
  try {
    await contender.connect([joinText([SOMEBODY])]);
    const results = await race("publish", rounds, ways, (way) => measure(way, toy));
    const counted: (Faults | undefined)[] = [];
    for (const way of ways) counted.push(way.server === echo ? undefined : await count(way, contender, toy));
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
        delivered === undefined ? "" : faultsText([delivered]),
      ];
    });
    return {
      how: `Messages of ${BYTES} B to one topic that nobody is in; ${ABREAST} unary calls at a time, one stream. What one session gets is counted in a run of its own.`,
      parts: [
        {
          head: ["way", "CPU µs a message", "beside unary", "messages/s", "unanswered", FAULTS_HEAD],
          rows,
        },
      ],
      bars: [
        { what: "unary beside the bare echo", limit: 1.25, found: unaryCpu / echoCpu, unit: "×" },
        { what: "stream beside unary", limit: 0.35, found: streamCpu / unaryCpu, unit: "×" },
        { what: "100 a unary request beside unary", limit: 0.08, found: unaryBatch / unaryCpu, unit: "×", digits: 3 },
        { what: "100 a stream request beside unary", limit: 0.08, found: streamBatch / unaryCpu, unit: "×", digits: 3 },
      ],
    };
  } finally {
    for (const load of [echoLoad, grpc, connect]) load.close();
    await Promise.all([contender.stop(), echo.stop()]);
  }
};

async function measure({ confirms, perRequest, send, server }: Way, toy: boolean): Promise<Published> {
  const request = requestOf(
    NOBODY,
    Array.from({ length: perRequest }, () => 1),
    BYTES,
  );
  const begin = { cpu: await server.cpu(), time: performance.now() };
  const { next, sent } = repeated(request, toy ? 0 : 1_500, 100);
  let answered = 0;
  await send(next, ABREAST, (answer) => {
    answered += confirms(answer);
  });
  const milliseconds = performance.now() - begin.time;
  const cpu = (await server.cpu()) - begin.cpu;
  const messages = sent() * perRequest;
  return { cpu: cpu / messages, perSecond: (messages / milliseconds) * 1_000, unanswered: messages - answered };
}

/** One call at a time, so that the order of calls is the order of messages. */
async function count({ perRequest, send }: Way, { load }: Contender, toy: boolean): Promise<Faults> {
  await load.connect([joinText([SOMEBODY])]);
  const before = await load.counts();
  const messages = toy ? 200 : 5_000;
  await send(numberedRequests(SOMEBODY, messages, perRequest, BYTES), 1, () => {});
  await load.arrived(messages);
  return faults(before, await load.counts(), messages);
}
