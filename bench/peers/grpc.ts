import type { Config } from "../../src/config/schema.js";
import { startNode } from "../support/carillon.js";
import type { Contender } from "../support/contender.js";
import { FAULTS_HEAD, formatFaults } from "../support/counts.js";
import { GrpcLoad, PUBLISH_PATH } from "../support/grpc.js";
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
import { CENTRIFUGO_PUBLISH, centrifugoContender, startCentrifugo } from "./centrifugo.js";
import { countPublished, encodePublish } from "./centrifugo-requests.js";
import { carillonContender, type Field } from "./field.js";
import { ratio, type Section } from "./section.js";

type GrpcServerName = Config["grpc"]["server"];

/** Values of the setting `grpc.server`. */
export const GRPC_SERVERS: readonly GrpcServerName[] = ["native", "grpc-js"];

const PEER = "Centrifugo";
const CONCURRENCY = 64;
const CONNECTIONS = 4;
const HEAD = ["work", "server", "CPU µs per message", "vs Centrifugo", "vs grpc-js", "messages/s"];

/** Names a node by the server of its gRPC port. */
export function nameOf(server: GrpcServerName): string {
  return `Carillon, ${server}`;
}

/** Server with a gRPC port. */
interface GrpcServer extends Pick<Way, "confirms" | "encode"> {
  readonly name: string;
  readonly contender: Contender;
  readonly address: string;
  /** Path of the unary method. */
  readonly path: string;
}

interface GrpcWork {
  readonly name: string;
  /** Number of calls under way. */
  readonly concurrency: number;
  readonly ways: readonly Way[];
}

/** Measures publishes by gRPC to a topic without subscribers, and counts deliveries to one client in a separate run. */
export async function measureGrpc(field: Field, { profiles, rounds, toy }: Options): Promise<Section> {
  const servers: GrpcServer[] = [];
  const closers: (() => void)[] = [];
  const rows: (readonly string[])[] = [];
  const medians = new Map<string, ReadonlyMap<string, number>>();
  try {
    for (const name of GRPC_SERVERS) servers.push(await startOurs(name, profiles));
    if (field.centrifugo !== undefined) servers.push(await startPeer(field.centrifugo));
    for (const { contender } of servers) await contender.connect([contender.join([0])]);
    for (const { concurrency, name: work, ways } of listWorks(servers, closers)) {
      const results = await race(`peers: gRPC ${work}`, rounds, ways, (way) =>
        measurePublishing(way, concurrency, toy),
      );
      const found = new Map(ways.map(({ name }, at) => [name, median(costs(results[at]))]));
      medians.set(work, found);
      for (const [at, way] of ways.entries()) {
        const server = servers.find(({ name }) => name === way.name);
        const faults = server && formatFaults([await countDeliveries(way, server.contender, toy)]);
        rows.push([work, way.name, ...formatRow(results[at] ?? [], found), faults ?? ""]);
      }
    }
  } finally {
    for (const close of closers) close();
    await Promise.all(servers.map(({ contender }) => contender.stop()));
  }
  const text = `**gRPC**: publishing messages of ${PAYLOAD_BYTES} B, one in each request, to a topic without subscribers, with both servers of \`grpc.server\`. Deliveries to one client are counted in a separate run.`;
  return { parts: [{ text, head: [...HEAD, "unanswered", FAULTS_HEAD], rows }], bars: listBars(medians) };
}

function costs(measured: readonly Published[] = []): number[] {
  return measured.map(({ cpu }) => cpu);
}

function formatRow(measured: readonly Published[], medians: ReadonlyMap<string, number>): readonly string[] {
  const own = median(costs(measured));
  return [
    spread(costs(measured), 2),
    ratio(own, medians.get(PEER) ?? Number.NaN),
    ratio(own, medians.get(nameOf("grpc-js")) ?? Number.NaN),
    spread(
      measured.map(({ perSecond }) => perSecond),
      0,
    ),
    String(measured.reduce((sum, { unanswered }) => sum + unanswered, 0)),
  ];
}

const MANY = `unary, ${CONCURRENCY} under way on ${CONNECTIONS} connections`;
const ONE = "unary, one under way";
const STREAM = "stream of single messages";

/** @param closers - gets what closes the loads */
function listWorks(servers: readonly GrpcServer[], closers: (() => void)[]): readonly GrpcWork[] {
  const wayOf = (server: GrpcServer, connections: number, choose: (load: GrpcLoad) => Way["send"]): Way => {
    const { address, confirms, contender, encode, name } = server;
    const load = new GrpcLoad(address, connections);
    closers.push(() => {
      load.close();
    });
    return { name, server: contender.server, perRequest: 1, encode, confirms, send: choose(load) };
  };
  const unary = (connections: number): Way[] =>
    servers.map((server) =>
      wayOf(
        server,
        connections,
        (load) =>
          (...all) =>
            load.unary(server.path, ...all),
      ),
    );
  // Centrifugo has no stream of requests.
  const streams = servers
    .filter(({ name }) => name !== PEER)
    .map((server) => wayOf(server, 1, (load) => (next, _concurrency, onAnswer) => load.stream(next, onAnswer)));
  return [
    { name: MANY, concurrency: CONCURRENCY, ways: unary(CONNECTIONS) },
    { name: ONE, concurrency: 1, ways: unary(1) },
    { name: STREAM, concurrency: 1, ways: streams },
  ];
}

/** @param medians - CPU per message of each server, by work */
function listBars(medians: ReadonlyMap<string, ReadonlyMap<string, number>>): readonly Bar[] {
  const cost = (work: string, name: string): number => medians.get(work)?.get(name) ?? Number.NaN;
  const native = nameOf("native");
  return [
    { what: `gRPC ${MANY}, vs ${PEER}`, limit: 0.5, found: cost(MANY, native) / cost(MANY, PEER), unit: "×" },
    { what: `gRPC ${ONE}, vs ${PEER}`, limit: 0.7, found: cost(ONE, native) / cost(ONE, PEER), unit: "×" },
    { what: `gRPC ${STREAM}, vs ${MANY}`, limit: 0.35, found: cost(STREAM, native) / cost(MANY, native), unit: "×" },
  ].filter(({ found }) => Number.isFinite(found));
}

async function startOurs(server: GrpcServerName, profiles: string | undefined): Promise<GrpcServer> {
  const node = await startNode({ config: { grpc: { listen: "127.0.0.1:0", server } } });
  return {
    name: nameOf(server),
    contender: carillonContender(node, profiles),
    address: node.grpc,
    path: PUBLISH_PATH,
    encode: encodeEntries,
    confirms: countConfirmed,
  };
}

async function startPeer(path: string): Promise<GrpcServer> {
  const server = await startCentrifugo(path);
  return {
    name: PEER,
    contender: centrifugoContender(server),
    address: server.grpc,
    path: CENTRIFUGO_PUBLISH,
    encode: encodePublish,
    confirms: countPublished,
  };
}
