import { startNode } from "../support/carillon.js";
import { Child } from "../support/child.js";
import type { Contender } from "../support/contender.js";
import { FAULTS_HEAD, formatFaults } from "../support/counts.js";
import { GrpcLoad, PUBLISH_PATH } from "../support/grpc.js";
import { HttpLoad } from "../support/http-load.js";
import {
  countDeliveries,
  measurePublishing,
  PAYLOAD_BYTES,
  type Published,
  type Way,
} from "../support/publish-ways.js";
import { race } from "../support/race.js";
import type { Bar, Options } from "../support/report.js";
import { countConfirmed, encodeEntries } from "../support/requests.js";
import { median, spread } from "../support/table.js";
import { countConfirmedJson, encodeEntriesJson } from "./carillon-json.js";
import { CENTRIFUGO_PUBLISH, centrifugoContender, startCentrifugo } from "./centrifugo.js";
import {
  countPublished,
  countPublishedJson,
  encodeBatchJson,
  encodePublish,
  encodePublishJson,
} from "./centrifugo-requests.js";
import { carillonContender, type Field } from "./field.js";
import { ratio, ratioBars, type Section } from "./section.js";

const BATCH = 100;
const CONCURRENCY = 64;
/** Number of connections of gRPC. */
const CONNECTIONS = 4;
const JSON_TYPE = { "content-type": "application/json" };

/** Server that takes requests over HTTP and gRPC. */
interface Publishable {
  readonly contender: Contender;
  readonly port: number;
  readonly grpc: string;
  /** Parts of the ways that the servers do not share. */
  readonly one: WayOverHttp;
  readonly batch: WayOverHttp;
  readonly unary: Pick<Way, "encode" | "confirms"> & { readonly path: string };
}

type WayOverHttp = Pick<Way, "encode" | "confirms"> & { readonly path: string };

interface Work {
  readonly name: string;
  readonly ways: readonly Way[];
  /** Limits of the CPU ratio, by the server that Carillon is compared with. */
  readonly limits: Readonly<Record<string, number>>;
}

/** Measures publishes to a topic without subscribers, and counts deliveries to one client in a separate run. */
export async function measurePublishes(field: Field, { profiles, rounds, toy }: Options): Promise<Section> {
  const servers: Publishable[] = [];
  const bare = new Child("servers/bare-http.js");
  const closers: (() => void)[] = [];
  const rows: (readonly string[])[] = [];
  const bars: Bar[] = [];
  try {
    servers.push(await startOurs(profiles));
    if (field.centrifugo !== undefined) servers.push(await startPeer(field.centrifugo));
    for (const { contender } of servers) await contender.connect([contender.join([0])]);
    const { port } = await bare.ask<{ readonly port: number }>("start");
    for (const work of listWorks(servers, { bare, port }, closers)) {
      const results = await race(`peers: ${work.name}`, rounds, work.ways, (way) =>
        measurePublishing(way, CONCURRENCY, toy),
      );
      const medians = new Map(work.ways.map(({ name }, at) => [name, median(costs(work, at, results))]));
      for (const [at, way] of work.ways.entries()) {
        const measured = results[at] ?? [];
        const server = servers.find(({ contender }) => contender.server === way.server);
        const faults = server && formatFaults([await countDeliveries(way, server.contender, toy)]);
        rows.push([
          work.name,
          way.name,
          spread(costs(work, at, results), 1),
          ratio(medians.get(way.name) ?? Number.NaN, medians.get("Centrifugo") ?? Number.NaN),
          spread(
            measured.map(({ perSecond }) => perSecond / way.perRequest),
            0,
          ),
          String(measured.reduce((sum, { unanswered }) => sum + unanswered, 0)),
          faults ?? "",
        ]);
      }
      bars.push(...ratioBars(work.name, medians, work.limits));
    }
  } finally {
    for (const close of closers) close();
    await Promise.all([bare.stop(), ...servers.map(({ contender }) => contender.stop())]);
  }
  const head = ["work", "server", "CPU µs per request", "vs Centrifugo", "requests/s", "unanswered", FAULTS_HEAD];
  const text = `**Publishing** messages of ${PAYLOAD_BYTES} B to a topic without subscribers, ${CONCURRENCY} requests under way. Deliveries to one client are counted in a separate run.`;
  return { parts: [{ text, head, rows }], bars };
}

/** CPU time of each request of a way, in microseconds, by round. */
function costs({ ways }: Work, at: number, results: readonly (readonly Published[])[]): number[] {
  return (results[at] ?? []).map(({ cpu }) => cpu * (ways[at]?.perRequest ?? 1));
}

/** @param closers - gets what closes the loads */
function listWorks(
  servers: readonly Publishable[],
  { bare, port }: { readonly bare: Child; readonly port: number },
  closers: (() => void)[],
): readonly Work[] {
  const http = (at: Way["server"], to: number, name: string, way: WayOverHttp, keepAlive: boolean): Way => {
    const load = new HttpLoad(to, way.path, JSON_TYPE, { keepAlive });
    closers.push(() => {
      load.close();
    });
    return { ...way, name, server: at, perRequest: 1, send: (...all) => load.send(...all) };
  };
  const single = (keepAlive: boolean): Way[] => [
    ...servers.map(({ contender, one, port: to }) => http(contender.server, to, contender.name, one, keepAlive)),
    http(bare, port, "bare node:http", { path: "/", encode: encodeEntriesJson, confirms: () => 1 }, keepAlive),
  ];
  const batches = servers.map(({ batch, contender, port: to }) => ({
    ...http(contender.server, to, contender.name, batch, true),
    perRequest: BATCH,
  }));
  const calls = servers.map(({ contender, grpc, unary }): Way => {
    const load = new GrpcLoad(grpc, CONNECTIONS);
    closers.push(() => {
      load.close();
    });
    const send: Way["send"] = (...all) => load.unary(unary.path, ...all);
    return { ...unary, name: contender.name, server: contender.server, perRequest: 1, send };
  });
  return [
    { name: "HTTP JSON, 1 a request", ways: single(true), limits: { Centrifugo: 1.5, "bare node:http": 1.7 } },
    { name: "HTTP JSON, a new connection each", ways: single(false), limits: {} },
    { name: `HTTP JSON, ${BATCH} a request`, ways: batches, limits: { Centrifugo: 0.5 } },
    { name: `gRPC unary on ${CONNECTIONS} connections`, ways: calls, limits: { Centrifugo: 2.2 } },
  ];
}

async function startOurs(profiles: string | undefined): Promise<Publishable> {
  const node = await startNode();
  const json = { path: PUBLISH_PATH, encode: encodeEntriesJson, confirms: countConfirmedJson };
  return {
    contender: carillonContender(node, profiles),
    port: node.port,
    grpc: node.grpc,
    one: json,
    batch: json,
    unary: { path: PUBLISH_PATH, encode: encodeEntries, confirms: countConfirmed },
  };
}

async function startPeer(path: string): Promise<Publishable> {
  const server = await startCentrifugo(path);
  return {
    contender: centrifugoContender(server),
    port: server.port,
    grpc: server.grpc,
    one: { path: "/api/publish", encode: encodePublishJson, confirms: countPublishedJson },
    batch: { path: "/api/batch", encode: encodeBatchJson, confirms: countPublishedJson },
    unary: { path: CENTRIFUGO_PUBLISH, encode: encodePublish, confirms: countPublished },
  };
}
