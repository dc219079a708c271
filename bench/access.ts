import type { ConfigInput } from "../src/index.js";
import { carillon } from "./support/carillon.js";
import { type Contender, withContenders } from "./support/contender.js";
import { FAULTS_HEAD, faultsText } from "./support/counts.js";
import { measureFanOut } from "./support/fan-out.js";
import { cpuOf, fanOutTable } from "./support/fan-out-table.js";
import { backendKey, edwardsIssuer, hmacIssuer, type Issuer, rsaIssuer, tokensOf } from "./support/issuer.js";
import { joinText } from "./support/payload.js";
import { race } from "./support/race.js";
import type { Bar, Benchmark, Options, Part } from "./support/report.js";
import { measureStorm } from "./support/storm.js";
import { median, spread } from "./support/table.js";

const BYTES = 100;

/** Handshakes under way at a time. */
const ABREAST = 256;

/** Topics of one join, where the cost of joins is told apart from that of connecting. */
const TOPICS = 101;

/** May join every topic of the benchmarks. */
const EVERYTHING = { join: ["t*"] };

type Begin = () => Promise<Contender>;

/** What it costs to know who clients are and what they may do, and that messages pay nothing for it. */
export const access: Benchmark = async (options) => {
  const connects = await connecting(options);
  const joins = await joining(options);
  const messages = await delivering(options);
  return {
    how: "Connections with a join each, by the token that they come with; joins by what has to be looked at; and messages to 1 topic, by what guards it.",
    parts: [connects, joins, messages.part],
    bars: [messages.bar],
  };
};

/** CPU for each connection, by the kind of token. */
async function connecting({ rounds, toy }: Options): Promise<Part> {
  const clients = toy ? 50 : 3_000;
  const rsa = rsaIssuer();
  const [one = ""] = await tokensOf(rsa, 1, EVERYTHING);
  const begin: Begin[] = [
    () => carillon({ name: "no token" }),
    ...(await Promise.all(
      [hmacIssuer(), edwardsIssuer(), rsa].map(async (issuer) => {
        const tokens = await tokensOf(issuer, clients, EVERYTHING);
        return guarded(`${issuer.algorithm}, each its own`, issuer, tokens);
      }),
    )),
    guarded(
      "RS256, all the same",
      rsa,
      Array.from({ length: clients }, () => one),
    ),
  ];
  const hellos = Array.from({ length: clients }, () => joinText([0]));
  return storms("access: connect", begin, hellos, rounds, ["token", "CPU µs a connection", "beside none"], 1);
}

/** CPU for each topic joined, by what decides. */
async function joining({ rounds, toy }: Options): Promise<Part> {
  const clients = toy ? 5 : 300;
  const issuer = hmacIssuer();
  const withPatterns = async (name: string, patterns: readonly string[]): Promise<Begin> =>
    guarded(name, issuer, await tokensOf(issuer, clients, { join: patterns }));
  const many = Array.from({ length: 100 }, (_, number) => `other${number}.*`);
  const begin = [
    () => carillon({ name: "open topics" }),
    await withPatterns("a prefix", ["t*"]),
    await withPatterns("the last of 101 patterns", [...many, "t*"]),
    await withPatterns("a regular expression", ["re:t\\d+"]),
  ];
  const topics = joinText(Array.from({ length: TOPICS }, (_, topic) => topic));
  const hellos = Array.from({ length: clients }, () => topics);
  return storms("access: join", begin, hellos, rounds, ["permission", "CPU µs a topic", "beside open"], TOPICS);
}

async function storms(
  what: string,
  begin: readonly Begin[],
  hellos: readonly string[],
  rounds: number,
  head: readonly string[],
  parts: number,
): Promise<Part> {
  return withContenders(begin, async (contenders) => {
    const results = await race(what, rounds, contenders, (contender) => measureStorm(contender, hellos, ABREAST));
    const cpus = results.map((measured) => measured.map(({ cpu }) => cpu / parts));
    const bare = median(cpus[0] ?? []);
    const rows = contenders.map(({ name }, position) => [
      name,
      spread(cpus[position] ?? [], parts === 1 ? 0 : 2),
      `${(median(cpus[position] ?? []) / bare).toFixed(2)} ×`,
      faultsText((results[position] ?? []).map(({ faults }) => faults)),
    ]);
    return { head: [...head, FAULTS_HEAD], rows };
  });
}

/** CPU for each delivery, on an open node and on one where everything is guarded. */
async function delivering({ rounds, toy }: Options): Promise<{ readonly part: Part; readonly bar: Bar }> {
  const sessions = toy ? 20 : 1_000;
  const issuer = hmacIssuer();
  const begin = [
    () => carillon({ name: "nothing guarded" }),
    guarded("everything guarded", issuer, await tokensOf(issuer, sessions, EVERYTHING)),
  ];
  const turns = {
    topics: () => [0],
    members: () => sessions,
    bytes: BYTES,
    milliseconds: toy ? 0 : 1_500,
    atLeast: toy ? 3 : 20,
  };
  return withContenders(begin, async (contenders) => {
    for (const contender of contenders) await contender.connect(Array.from({ length: sessions }, () => joinText([0])));
    const results = await race("access: messages", rounds, contenders, (contender) => measureFanOut(contender, turns));
    const [open = [], closed] = results;
    const lines = contenders.map(({ name }, position) => ({ name, results: results[position] ?? [], beside: open }));
    return {
      part: fanOutTable(undefined, "nothing guarded", lines),
      bar: {
        what: "CPU a delivery where everything is guarded",
        limit: 1.05,
        found: cpuOf(closed) / cpuOf(open),
        unit: "×",
      },
    };
  });
}

/** A node that asks everybody who they are: clients for a token of the issuer, the publisher for its key. */
function guarded(name: string, { jwt }: Issuer, tokens: readonly string[]): Begin {
  const { entry, key } = backendKey();
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
