import { type Contender, withContenders } from "./support/contender.js";
import {
  broadcaster,
  native,
  rootsocket,
  type Speaker,
  socketio,
  startSpeakers,
  webrocket,
} from "./support/dialects.js";
import { type Measured, measureFanOut, type Turns } from "./support/fan-out.js";
import { cpuOf, fanOutTable, type Line } from "./support/fan-out-table.js";
import { race } from "./support/race.js";
import type { Hello } from "./support/receiver.js";
import type { Bar, Benchmark, Options } from "./support/report.js";

const BYTES = 100;
/** Messages per turn when the cost of sequence numbers is measured: the messages of one write share its cost. */
const PER_TURN = [1, 16];
/** Topic of all sessions. */
const TOPIC = 0;
const SPEAKERS: readonly Speaker[] = [native, broadcaster, rootsocket, webrocket, socketio];

/**
 * Measures one message to the clients of each dialect and of all dialects at once, and the cost of numbering
 * broadcasts.
 */
export const dialects: Benchmark = async (options) => {
  const clients = options.toy ? 20 : 200;
  const byDialect = await measureSpeakers(options, clients);
  const numbered = await measureNumbers(options, clients);
  return {
    how: `1 topic, one message of ${BYTES} B per turn, ${clients} sessions of each dialect: each dialect on its own node, and all of them on one node. Broadcaster's \`seq\`: all sessions at the same number, each session at a different number, and the same texts without individual numbers.`,
    parts: [fanOutTable(undefined, "native", byDialect), fanOutTable("messages per turn", "without seq", numbered)],
    bars: [
      bar("seq, same number, 1 message per turn", numbered[1], 1.25),
      bar("seq, different numbers, 1 message per turn", numbered[2], 1.5),
      bar("seq, different numbers, 16 messages per turn", numbered[5], 3),
    ],
  };
};

function measureSpeakers({ profiles, rounds, toy }: Options, clients: number): Promise<Line[]> {
  const begin = [
    ...SPEAKERS.map((speaker) => () => startSpeakers(speaker.name, [speaker], clients, { profiles })),
    () => startSpeakers("all five at once", SPEAKERS, clients, { profiles }),
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

/**
 * Measures numbered broadcasts. The first line for each number of messages per turn is that of messages without
 * numbers.
 */
function measureNumbers({ profiles, rounds, toy }: Options, clients: number): Promise<Line[]> {
  const begin = [
    () => startSpeakers("broadcaster without seq", [broadcaster], clients, { profiles, script: "unnumbered" }),
    () => startSpeakers("seq, same number", [broadcaster], clients, { profiles }),
    () => startSpeakers("seq, different numbers", [broadcaster], clients, { profiles }),
  ];
  return withContenders(begin, async (contenders) => {
    const bits = Math.ceil(Math.log2(clients));
    for (const contender of contenders) {
      await contender.connect(Array.from({ length: clients }, (_, client) => createHello(client, bits)));
    }
    const spread = contenders.at(-1);
    if (spread !== undefined) await spreadOut(spread, clients, bits);
    const lines: Line[] = [];
    for (const messages of PER_TURN) {
      const results = await race(`dialects: seq, ${messages} per turn`, rounds, contenders, (contender) =>
        measureFanOut(contender, turns(clients, toy, messages)),
      );
      lines.push(...linesOf(contenders, results).map((line) => ({ ...line, setting: String(messages) })));
    }
    return lines;
  });
}

/** Joins the common topic, and one topic for each bit of the client's number; topics of unset bits get no messages. */
function createHello(client: number, bits: number): Hello {
  const topics = Array.from({ length: bits }, (_, bit) => (has(client, bit) ? bit + 1 : bits + bit + 1));
  return broadcaster.hello([TOPIC, ...topics]);
}

/** Sends every client as many messages as its number: 2ⁿ on the topic of bit n. */
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
  return { what: `CPU per delivery vs unnumbered: ${what}`, limit, found, unit: "×" };
}
