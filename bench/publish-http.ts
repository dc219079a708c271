import { countConfirmedJson, encodeEntriesJson } from "./peers/carillon-json.js";
import { startNode } from "./support/carillon.js";
import { Child } from "./support/child.js";
import type { Entry } from "./support/contender.js";
import { PUBLISH_PATH } from "./support/grpc.js";
import { HttpLoad } from "./support/http-load.js";
import { measurePublishing, PAYLOAD_BYTES, type Way } from "./support/publish-ways.js";
import { race } from "./support/race.js";
import type { Benchmark } from "./support/report.js";
import { countConfirmed, encodeEntries } from "./support/requests.js";
import { median, spread } from "./support/table.js";

const BATCH = 100;
const CONCURRENCY = 64;

interface Format extends Pick<Way, "confirms" | "encode"> {
  readonly path: string;
  readonly type: string;
}

const JSON_FORMAT: Format = {
  path: PUBLISH_PATH,
  type: "application/json",
  encode: encodeEntriesJson,
  confirms: countConfirmedJson,
};
const PROTO: Format = {
  path: PUBLISH_PATH,
  type: "application/proto",
  encode: encodeEntries,
  confirms: countConfirmed,
};

interface HttpWay extends Way {
  readonly load: HttpLoad;
  /** Largest ratio of its CPU time to that of the bare server; undefined for a bare server. */
  readonly limit: number | undefined;
  readonly keepAlive: boolean;
}

/** Publishing over HTTP in every format, compared with a server on node:http that does nothing. */
export const publishHttp: Benchmark = async ({ profiles, rounds, toy }) => {
  const node = await startNode();
  const bare = new Child("servers/bare-http.js");
  const { port: barePort } = await bare.ask<{ readonly port: number }>("start");
  const create = (name: string, format: Format, { keepAlive = true, perRequest = 1, limit = 1.7 } = {}): HttpWay => {
    const load = new HttpLoad(node.port, format.path, { "content-type": format.type }, { keepAlive });
    return {
      ...format,
      name,
      load,
      server: node.child,
      perRequest,
      limit,
      keepAlive,
      send: (...all) => load.send(...all),
    };
  };
  const createBare = (name: string, keepAlive: boolean): HttpWay => {
    const load = new HttpLoad(barePort, "/", { "content-type": "application/json" }, { keepAlive });
    const way = create(name, { ...JSON_FORMAT, confirms: () => 1 }, { keepAlive });
    return { ...way, load, server: bare, limit: undefined, send: (...all) => load.send(...all) };
  };
  const batch = { perRequest: BATCH, limit: 8.1 };
  const apart = { keepAlive: false };
  const ways: readonly HttpWay[] = [
    createBare("bare node:http", true),
    create("Connect JSON", JSON_FORMAT),
    create("Connect protobuf", PROTO),
    create(`Connect JSON, ${BATCH} messages`, JSON_FORMAT, batch),
    create(`Connect protobuf, ${BATCH} messages`, PROTO, batch),
    create("Broadcaster", rest("/broadcaster/publish", "payload")),
    create("RootSocket", rest("/api/v1/messages/", "data")),
    createBare("bare node:http, a connection each", false),
    create("Connect JSON, a connection each", JSON_FORMAT, apart),
    create("Connect protobuf, a connection each", PROTO, apart),
  ];
  try {
    if (profiles !== undefined) await node.child.ask("beginProfile");
    const results = await race("publish-http", rounds, ways, (way) => measurePublishing(way, CONCURRENCY, toy));
    const costs = ways.map(({ perRequest }, at) => (results[at] ?? []).map(({ cpu }) => cpu * perRequest));
    const floorOf = (way: HttpWay): number =>
      median(costs[ways.findIndex(({ keepAlive, server }) => server === bare && keepAlive === way.keepAlive)] ?? []);
    const ratios = ways.map((way, at) => median(costs[at] ?? []) / floorOf(way));
    const rows = ways.map(({ name, perRequest }, at) => {
      const measured = results[at] ?? [];
      const rates = measured.map(({ perSecond }) => perSecond / perRequest);
      const unanswered = measured.reduce((sum, one) => sum + one.unanswered, 0);
      return [name, spread(costs[at] ?? [], 1), `${ratios[at]?.toFixed(2)} ×`, spread(rates, 0), String(unanswered)];
    });
    return {
      how: `Messages of ${PAYLOAD_BYTES} B to one topic without subscribers, ${CONCURRENCY} requests under way. The bare server reads the body and answers one receipt; each row is compared with it on the same kind of connections.`,
      parts: [{ head: ["way", "CPU µs per request", "vs bare", "requests/s", "unanswered"], rows }],
      bars: ways.flatMap(({ limit, name }, at) =>
        limit === undefined ? [] : { what: `${name} vs bare`, limit, found: ratios[at] ?? Number.NaN, unit: "×" },
      ),
    };
  } finally {
    if (profiles !== undefined) await node.child.ask("endProfile", profiles);
    for (const { load } of ways) load.close();
    await Promise.all([node.child.stop(), bare.stop()]);
  }
};

/** Format of a REST interface. @param member - name of the payload's member */
function rest(path: string, member: string): Format {
  return {
    path,
    type: "application/json",
    encode: ([entry]: readonly Entry[]) => Buffer.from(JSON.stringify({ channel: entry?.[0], [member]: entry?.[1] })),
    confirms: () => 1,
  };
}
