import { type Contender, withContenders } from "./support/contender.js";
import { broadcaster, native, rootsocket, type Speaker, socketio, speaking, webrocket } from "./support/dialects.js";
import { type Measured, measureFanOut, type Turns } from "./support/fan-out.js";
import { cpuOf, fanOutTable, type Line } from "./support/fan-out-table.js";
import { race } from "./support/race.js";
import type { Hello } from "./support/receiver.js";
import type { Bar, Benchmark, Options } from "./support/report.js";

const BYTES = 100;
/** Messages of one turn, where the cost of numbers is measured: what a write costs is shared by all that is in it. */
const PER_TURN = [1, 16];
/** The topic that all are in. */
const TOPIC = 0;
const SPEAKERS: readonly Speaker[] = [native, broadcaster, rootsocket, webrocket, socketio];

/** One message to the clients of each dialect, and of all of them at once; and what it costs that broadcasts are numbered. */
export const dialects: Benchmark = async (options) => {
  const clients = options.toy ? 20 : 200;
  const spoken = await speakers(options, clients);
  const numbered = await numbers(options, clients);
  return {
    how: `1 topic, one message of ${BYTES} B a turn, ${clients} sessions of each dialect: each at a node of its own, and all of them at one node. Broadcaster's \`seq\`: where all sessions are at the same number, where each is at another one, and the same texts with no number of its own for anybody.`,
    parts: [fanOutTable(undefined, "native", spoken), fanOutTable("messages a turn", "the same without seq", numbered)],
    bars: [
      bar("seq at the same number, 1 message a turn", numbered[1], 1.25),
      bar("seq at other numbers, 1 message a turn", numbered[2], 1.5),
      bar("seq at other numbers, 16 messages a turn", numbered[5], 3),
    ],
  };
};

function speakers({ profiles, rounds, toy }: Options, clients: number): Promise<Line[]> {
  const begin = [
    ...SPEAKERS.map((speaker) => () => speaking(speaker.name, [speaker], clients, { profiles })),
    () => speaking("all five at once", SPEAKERS, clients, { profiles }),
  ];
  return withContenders(begin, async (contenders) => {
    for (const [position, contender] of contenders.entries()) {
      const [speaker] = SPEAKERS.slice(position);
      const all = speaker === undefined ? SPEAKERS : [speaker];
      await contender.connect(all.flatMap(({ hello }) => Array.from({ length: clients }, () => hello([TOPIC]))));
    }
    const results = await race("dialects", rounds, contenders, (contender) =>
      measureFanOut(contender, turns(sessionsOf(contender, clients), toy)),
    );
    return linesOf(contenders, results);
  });
}

function sessionsOf({ name }: Contender, clients: number): number {
  return (SPEAKERS.some((speaker) => speaker.name === name) ? 1 : SPEAKERS.length) * clients;
}

/** Of each number of messages a turn, the first line is that of messages without numbers. */
function numbers({ profiles, rounds, toy }: Options, clients: number): Promise<Line[]> {
  const begin = [
    () => speaking("broadcaster without seq", [broadcaster], clients, { profiles, script: "unnumbered" }),
    () => speaking("seq, all at the same number", [broadcaster], clients, { profiles }),
    () => speaking("seq, each at another number", [broadcaster], clients, { profiles }),
  ];
  return withContenders(begin, async (contenders) => {
    const bits = Math.ceil(Math.log2(clients));
    for (const contender of contenders) {
      await contender.connect(Array.from({ length: clients }, (_, client) => helloOf(client, bits)));
    }
    const spread = contenders.at(-1);
    if (spread !== undefined) await spreadOut(spread, clients, bits);
    const lines: Line[] = [];
    for (const messages of PER_TURN) {
      const results = await race(`dialects: seq, ${messages} a turn`, rounds, contenders, (contender) =>
        measureFanOut(contender, turns(clients, toy, messages)),
      );
      lines.push(...linesOf(contenders, results).map((line) => ({ ...line, setting: String(messages) })));
    }
    return lines;
  });
}

/** Into the common topic, and into one for each bit of its number; those of the bits that it has not nobody publishes on. */
function helloOf(client: number, bits: number): Hello {
  const topics = Array.from({ length: bits }, (_, bit) => (has(client, bit) ? bit + 1 : bits + bit + 1));
  return broadcaster.hello([TOPIC, ...topics]);
}

/** Every client gets as many messages as its number says: 2ⁿ on the topic of bit n. */
async function spreadOut(contender: Contender, clients: number, bits: number): Promise<void> {
  let total = 0;
  for (let bit = 0; bit < bits; bit += 1) {
    const members = Array.from({ length: clients }, (_, client) => client).filter((client) => has(client, bit)).length;
    const messages = 2 ** bit;
    total += members * messages;
    await contender.publish(
      Array.from({ length: messages }, () => bit + 1),
      BYTES,
    );
    await contender.load.arrived(total);
  }
}

function has(client: number, bit: number): boolean {
  return Math.floor(client / 2 ** bit) % 2 === 1;
}

function turns(sessions: number, toy: boolean, messages = 1): Turns {
  const topics = Array.from({ length: messages }, () => TOPIC);
  return {
    topics: () => topics,
    members: () => sessions,
    bytes: BYTES,
    milliseconds: toy ? 0 : 1_500,
    atLeast: toy ? 3 : 20,
  };
}

function linesOf(contenders: readonly Contender[], results: readonly (readonly Measured[])[]): Line[] {
  const [first = []] = results;
  return contenders.map(({ name }, position) => ({ name, results: results[position] ?? [], beside: first }));
}

function bar(what: string, line: Line | undefined, limit: number): Bar {
  const found = line === undefined ? Number.NaN : cpuOf(line.results) / cpuOf(line.beside);
  return { what: `CPU a delivery beside none: ${what}`, limit, found, unit: "×" };
}
