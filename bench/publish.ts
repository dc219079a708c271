import { nodeContender, startNode } from "./support/carillon.js";
import { Child } from "./support/child.js";
import { FAULTS_HEAD, type Faults, formatFaults } from "./support/counts.js";
import { ECHO_PATH, GrpcLoad, PUBLISH_PATH } from "./support/grpc.js";
import { HttpLoad } from "./support/http-load.js";
import { countDeliveries, measurePublishing, PAYLOAD_BYTES, type Way } from "./support/publish-ways.js";
import { race } from "./support/race.js";
import type { Benchmark } from "./support/report.js";
import { countConfirmed, encodeEntries } from "./support/requests.js";
import { median, spread } from "./support/table.js";

const BATCH = 100;
/** Number of concurrent unary calls. */
const CONCURRENCY = 64;

export const publish: Benchmark = async ({ profiles, rounds, toy }) => {
  const node = await startNode();
  const contender = nodeContender("carillon", node, { profiles });
  const echo = new Child("servers/echo.js");
  const echoLoad = new GrpcLoad((await echo.ask<{ readonly grpc: string }>("start")).grpc);
  const grpc = new GrpcLoad(node.grpc);
  const connect = new HttpLoad(node.port, PUBLISH_PATH, {
    "content-type": "application/proto",
    "connect-protocol-version": "1",
  });
  const unary: Way["send"] = (...all) => grpc.unary(PUBLISH_PATH, ...all);
  const stream: Way["send"] = (next, _concurrency, onAnswer) => grpc.stream(next, onAnswer);
  const byConnect: Way["send"] = (...all) => connect.send(...all);
  const server = node.child;
  const encode = encodeEntries;
  const confirms = countConfirmed;
  const ways: readonly Way[] = [
    { name: "gRPC unary", server, perRequest: 1, encode, confirms, send: unary },
    { name: "Connect unary", server, perRequest: 1, encode, confirms, send: byConnect },
    { name: "gRPC stream", server, perRequest: 1, encode, confirms, send: stream },
    { name: "gRPC unary, 100 per request", server, perRequest: BATCH, encode, confirms, send: unary },
    { name: "gRPC stream, 100 per request", server, perRequest: BATCH, encode, confirms, send: stream },
    {
      name: "bare grpc-js echo",
      server: echo,
      perRequest: 1,
      encode,
      confirms: () => 1,
      send: (...all) => echoLoad.unary(ECHO_PATH, ...all),
    },
  ];
  try {
    await contender.connect([contender.join([0])]);
    const results = await race("publish", rounds, ways, (way) => measurePublishing(way, CONCURRENCY, toy));
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
      how: `Messages of ${PAYLOAD_BYTES} B to one topic without subscribers; ${CONCURRENCY} unary calls at a time, one stream. Deliveries to one session are counted in a separate run.`,
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
