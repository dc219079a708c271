import type { ConfigInput } from "../src/index.js";
import { carillon } from "./support/carillon.js";
import { type Contender, withContenders } from "./support/contender.js";
import { FAULTS_HEAD, formatFaults } from "./support/counts.js";
import { measureFanOut } from "./support/fan-out.js";
import { cpuOf, fanOutTable } from "./support/fan-out-table.js";
import {
  createBackendKey,
  createEdwardsIssuer,
  createHmacIssuer,
  createRsaIssuer,
  type Issuer,
  signTokens,
} from "./support/issuer.js";
import { joinText } from "./support/payload.js";
import { race } from "./support/race.js";
import type { Bar, Benchmark, Options, Part } from "./support/report.js";
import { measureStorm } from "./support/storm.js";
import { median, spread } from "./support/table.js";

const BYTES = 100;

/** Number of concurrent handshakes. */
const CONCURRENCY = 256;

/** Topics of one join, enough to separate the cost of joins from that of connecting. */
const TOPICS = 101;

/** Clients that join: more than the tokens that a node caches, so that each round matches with new permissions. */
const JOINING = 2_100;

/** Names of the contenders with a bar. */
const HMAC = "HS256, distinct tokens";
const LAST = "the last of 101 patterns";

/** Permissions to join every topic of the benchmarks. */
const EVERYTHING = { join: ["t*"] };

type Starter = () => Promise<Contender>;

/** Measures the cost of authentication and permissions, and checks that messages do not pay for them. */
export const access: Benchmark = async (options) => {
  const connects = await measureConnects(options);
  const joins = await measureJoins(options);
  const messages = await measureDeliveries(options);
  return {
    how: "Connections with a join each, by kind of token; joins, by kind of permission; and messages to 1 topic, on an open and on a private node.",
    parts: [connects.part, joins.part, messages.part],
    bars: [
      { what: "CPU per connection with HS256", limit: 1.6, found: connects.ratio(HMAC), unit: "×" },
      { what: `CPU per topic with ${LAST}`, limit: 8, found: joins.cpu(LAST), unit: "µs" },
      messages.bar,
    ],
  };
};

/** Measures the CPU time per connection, by kind of token. */
async function measureConnects({ rounds, toy }: Options): Promise<Storms> {
  const clients = toy ? 50 : 3_000;
  const rsa = createRsaIssuer();
  const [one = ""] = await signTokens(rsa, 1, EVERYTHING);
  const starters: Starter[] = [
    () => carillon({ name: "no token" }),
    ...(await Promise.all(
      [createHmacIssuer(), createEdwardsIssuer(), rsa].map(async (issuer) => {
        const tokens = await signTokens(issuer, clients, EVERYTHING);
        return privateNode(`${issuer.algorithm}, distinct tokens`, issuer, tokens);
      }),
    )),
    privateNode(
      "RS256, one token",
      rsa,
      Array.from({ length: clients }, () => one),
    ),
  ];
  const hellos = Array.from({ length: clients }, () => joinText([0]));
  return measureStorms("access: connect", starters, hellos, rounds, ["token", "CPU µs per connection", "vs none"], 1);
}

/** Measures the CPU time per joined topic, by kind of permission. */
async function measureJoins({ rounds, toy }: Options): Promise<Storms> {
  const clients = toy ? 5 : JOINING;
  const issuer = createHmacIssuer();
  const withPatterns = async (name: string, patterns: readonly string[]): Promise<Starter> =>
    privateNode(name, issuer, await signTokens(issuer, clients, { join: patterns }));
  const many = Array.from({ length: 100 }, (_, number) => `other${number}.*`);
  const starters = [
    () => carillon({ name: "open topics" }),
    await withPatterns("a prefix", ["t*"]),
    await withPatterns(LAST, [...many, "t*"]),
    await withPatterns("a regular expression", ["re:t\\d+"]),
  ];
  const topics = joinText(Array.from({ length: TOPICS }, (_, topic) => topic));
  const hellos = Array.from({ length: clients }, () => topics);
  return measureStorms("access: join", starters, hellos, rounds, ["permission", "CPU µs per topic", "vs open"], TOPICS);
}

/** Table of storms, and the figures of each contender by its name. */
interface Storms {
  readonly part: Part;
  /** Median CPU time, in microseconds. */
  readonly cpu: (name: string) => number;
  /** CPU time relative to the first contender. */
  readonly ratio: (name: string) => number;
}

async function measureStorms(
  what: string,
  starters: readonly Starter[],
  hellos: readonly string[],
  rounds: number,
  head: readonly string[],
  parts: number,
): Promise<Storms> {
  return withContenders(starters, async (contenders) => {
    const results = await race(what, rounds, contenders, (contender) => measureStorm(contender, hellos, CONCURRENCY));
    const cpus = results.map((measured) => measured.map(({ cpu }) => cpu / parts));
    const bare = median(cpus[0] ?? []);
    const medianOf = (name: string): number => median(cpus[contenders.findIndex((one) => one.name === name)] ?? []);
    const rows = contenders.map(({ name }, position) => [
      name,
      spread(cpus[position] ?? [], parts === 1 ? 0 : 2),
      `${(median(cpus[position] ?? []) / bare).toFixed(2)} ×`,
      formatFaults((results[position] ?? []).map(({ faults }) => faults)),
    ]);
    const ratio = (name: string): number => medianOf(name) / bare;
    return { part: { head: [...head, FAULTS_HEAD], rows }, cpu: medianOf, ratio };
  });
}

/** Measures the CPU time per delivery, on an open node and on a private one. */
async function measureDeliveries({ rounds, toy }: Options): Promise<{ readonly part: Part; readonly bar: Bar }> {
  const sessions = toy ? 20 : 1_000;
  const issuer = createHmacIssuer();
  const starters = [
    () => carillon({ name: "open" }),
    privateNode("private", issuer, await signTokens(issuer, sessions, EVERYTHING)),
  ];
  const turns = {
    topics: () => [0],
    members: () => sessions,
    bytes: BYTES,
    milliseconds: toy ? 0 : 1_500,
    atLeast: toy ? 3 : 20,
  };
  return withContenders(starters, async (contenders) => {
    for (const contender of contenders) await contender.connect(Array.from({ length: sessions }, () => joinText([0])));
    const results = await race("access: messages", rounds, contenders, (contender) => measureFanOut(contender, turns));
    const [open = [], guarded] = results;
    const lines = contenders.map(({ name }, position) => ({ name, results: results[position] ?? [], beside: open }));
    return {
      part: fanOutTable(undefined, "open", lines),
      bar: {
        what: "CPU per delivery on a private node",
        limit: 1.05,
        found: cpuOf(guarded) / cpuOf(open),
        unit: "×",
      },
    };
  });
}

/** Configures a node that requires a token of the issuer from clients, and a key from the publisher. */
function privateNode(name: string, { jwt }: Issuer, tokens: readonly string[]): Starter {
  const { entry, key } = createBackendKey();
  const config: ConfigInput = {
    vhosts: {
      "/": {
        access: "private",
        anonymous: { connect: false },
        jwt,
        credentials: { query: true },
        keys: [entry],
        topics: [{ match: "none.*", access: "open" }],
      },
    },
  };
  return () => carillon({ name, config, key, tokens });
}
