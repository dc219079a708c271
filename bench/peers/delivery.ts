import { withContenders } from "../support/contender.js";
import { FAULTS_HEAD, formatFaults } from "../support/counts.js";
import { type Measured, measureFanOut, type Turns } from "../support/fan-out.js";
import { cpuOf } from "../support/fan-out-table.js";
import { race } from "../support/race.js";
import { Random } from "../support/random.js";
import type { Bar, Options, Part } from "../support/report.js";
import { spread } from "../support/table.js";
import { beginAll, type Field } from "./field.js";
import { ratio, ratioBars, type Section } from "./section.js";

const BYTES = 100;

interface Work {
  readonly name: string;
  readonly sessions: number;
  readonly topicOf: (session: number) => number;
  readonly turns: Turns;
  /** Whether the C floor takes part: where each message is one write. */
  readonly floor: boolean;
  /** Limits of the CPU ratio, by the server that Carillon is compared with. */
  readonly limits: Readonly<Record<string, number>>;
}

function listWorks(toy: boolean): readonly Work[] {
  const sessions = toy ? 20 : 1_000;
  const topics = toy ? 200 : 5_000;
  const random = new Random(1);
  const same = { bytes: BYTES, milliseconds: toy ? 0 : 1_500, atLeast: 3 };
  const oneTopic = { sessions, topicOf: () => 0 };
  return [
    {
      name: `1 message a request to ${sessions} subscribers`,
      ...oneTopic,
      turns: { ...same, topics: () => [0], members: () => sessions },
      floor: true,
      limits: { Centrifugo: 0.9, "C floor": 1.35 },
    },
    {
      name: `64 messages a request to ${sessions} subscribers`,
      ...oneTopic,
      turns: { ...same, topics: () => Array.from({ length: 64 }, () => 0), members: () => sessions },
      floor: false,
      limits: {},
    },
    {
      name: `100 a request to random ones of ${topics} personal topics`,
      sessions: topics,
      topicOf: (session) => session,
      turns: { ...same, topics: () => random.some(100, topics), members: () => 1 },
      floor: true,
      limits: { Centrifugo: 1 },
    },
  ];
}

/** Measures deliveries; the cost of publishing is included. */
export async function measureDelivery(field: Field, options: Options): Promise<Section> {
  const rows: (readonly string[])[] = [];
  const bars: Bar[] = [];
  for (const work of listWorks(options.toy)) {
    const results = await measureWork(work, field, options);
    const peer = cpuOf(results.get("Centrifugo"));
    for (const [name, measured] of results) {
      const cpus = measured.map(({ cpu }) => cpu);
      const perSecond = measured.map((one) => one.perSecond / 1_000);
      const faults = formatFaults(measured.map((one) => one.faults));
      rows.push([work.name, name, spread(cpus, 2), ratio(cpuOf(measured), peer), `${spread(perSecond, 0)} k`, faults]);
    }
    const medians = new Map([...results].map(([name, measured]) => [name, cpuOf(measured)]));
    bars.push(...ratioBars(`delivery, ${work.name}`, medians, work.limits));
  }
  const head = ["work", "server", "CPU µs per delivery", "vs Centrifugo", "deliveries/s", FAULTS_HEAD];
  const part: Part = { text: `**Delivery**, ${BYTES} B each, publishing by gRPC included.`, head, rows };
  return { parts: [part], bars };
}

function measureWork(
  { floor, name, sessions, topicOf, turns }: Work,
  field: Field,
  { profiles, rounds }: Options,
): Promise<Map<string, readonly Measured[]>> {
  return withContenders(beginAll(field, { profiles }, floor), async (contenders) => {
    for (const contender of contenders) {
      await contender.connect(Array.from({ length: sessions }, (_, session) => contender.join([topicOf(session)])));
    }
    const results = await race(`peers: ${name}`, rounds, contenders, (contender) => measureFanOut(contender, turns));
    return new Map(contenders.map((contender, position) => [contender.name, results[position] ?? []]));
  });
}
