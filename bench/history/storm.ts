import { countFaults, FAULTS_HEAD, type Faults, formatFaults } from "../support/counts.js";
import { joinText, topicName } from "../support/payload.js";
import { waitUntilIdle } from "../support/quiet.js";
import { race } from "../support/race.js";
import type { Bar, Options, Part } from "../support/report.js";
import { median, spread } from "../support/table.js";
import { HistoryClient } from "./native-client.js";
import { readStoreRequests } from "./requests.js";
import { type HistorySetting, PLAIN_TOPIC } from "./setting.js";

const CONCURRENCY = 256;
const BYTES = 100;
const PUBLISHED = 40;
/** Numbers of messages that the clients have missed; each is the position of the same number of clients. */
const MISSED = [16, 17, 18, 19, 20, 21, 22, 23, 24];
const LIMIT = 2;

interface Returned {
  /** CPU time of the node per client, in microseconds. */
  readonly cpu: number;
  readonly perSecond: number;
  /** Requests of the node to the store, per storm. */
  readonly requests: number;
  readonly faults: Faults;
}

/** How clients come back. */
interface Storm {
  readonly name: string;
  readonly recovers: boolean;
  /** Whether another client of the node was in the topic, so that the node has the messages. */
  readonly hot: boolean;
}

const FROM_STORE: Storm = { name: "recovery, store has the messages", recovers: true, hot: false };

const STORMS: readonly Storm[] = [
  { name: "plain join", recovers: false, hot: false },
  { name: "recovery, node has the messages", recovers: true, hot: true },
  FROM_STORE,
];

/** Measures clients that all come back at once and have missed about 20 messages. */
export async function measureReturns(
  setting: HistorySetting,
  { rounds, toy }: Options,
): Promise<{ readonly part: Part; readonly bars: readonly Bar[] }> {
  const clients = MISSED.length * (toy ? 10 : 556);
  let topic = 100;
  // One position takes several requests, most of them from servers that answer with one message at a time.
  const { requests: requestsOfOne } = await recover(setting, FROM_STORE, 1, topic);
  const results = await race("history: storm", rounds, STORMS, (storm) => {
    topic += 1;
    return storm.recovers ? recover(setting, storm, clients, topic) : joinPlainly(setting, clients);
  });
  const [plain = [], hot = [], cold = []] = results;
  const rows = STORMS.map(({ name }, position) => {
    const measured = results[position] ?? [];
    return [
      name,
      spread(
        measured.map(({ cpu }) => cpu),
        0,
      ),
      `${(cpuPerClient(measured) / cpuPerClient(plain)).toFixed(2)} ×`,
      spread(
        measured.map(({ perSecond }) => perSecond),
        0,
      ),
      spread(
        measured.map(({ requests }) => requests),
        0,
      ),
      formatFaults(measured.map(({ faults }) => faults)),
    ];
  });
  const head = [
    `${clients} clients`,
    "CPU µs per client",
    "vs plain join",
    "clients/s",
    "requests to NATS",
    FAULTS_HEAD,
  ];
  return {
    part: { head, rows },
    bars: [
      {
        what: "CPU per recovery vs plain join, node has the messages",
        limit: LIMIT,
        found: cpuPerClient(hot) / cpuPerClient(plain),
        unit: "×",
      },
      {
        what: "CPU per recovery vs plain join, store has the messages",
        limit: LIMIT,
        found: cpuPerClient(cold) / cpuPerClient(plain),
        unit: "×",
      },
      { what: "requests to NATS, node has the messages", limit: 0, found: mostRequests(hot), unit: "", digits: 0 },
      {
        what: `requests to NATS, store has the messages (${requestsOfOne} for each position)`,
        limit: MISSED.length * requestsOfOne,
        found: mostRequests(cold),
        unit: "",
        digits: 0,
      },
    ],
  };
}

function cpuPerClient(all: readonly Returned[]): number {
  return median(all.map(({ cpu }) => cpu));
}

function mostRequests(all: readonly Returned[]): number {
  return Math.max(...all.map(({ requests }) => requests));
}

function joinPlainly(setting: HistorySetting, clients: number): Promise<Returned> {
  return returnAll(
    setting,
    Array.from({ length: clients }, () => joinText([PLAIN_TOPIC])),
    0,
  );
}

async function recover(setting: HistorySetting, { hot }: Storm, clients: number, topic: number): Promise<Returned> {
  const { contender, delivering } = setting;
  const name = topicName(topic);
  const resident = await HistoryClient.connect(delivering.port);
  try {
    if (hot) await resident.join(name);
    for (let count = 0; count < PUBLISHED; count += 1) await contender.publish([topic], BYTES);
    const reader = await HistoryClient.connect(delivering.port);
    const stored = await reader.read(name, { limit: PUBLISHED });
    reader.close();
    const hellos = Array.from({ length: clients }, (_, client) => {
      const position = stored.at(-1 - missedBy(client))?.position;
      return JSON.stringify({ command: "join", topics: [name], recover: { [name]: position } });
    });
    const expected = hellos.reduce((sum, _, client) => sum + missedBy(client), 0);
    return await returnAll(setting, hellos, expected);
  } finally {
    resident.close();
  }
}

function missedBy(client: number): number {
  return MISSED[client % MISSED.length] ?? 0;
}

/** Connects all clients. @param expected - number of messages that they get */
async function returnAll(
  { contender, delivering }: HistorySetting,
  hellos: readonly string[],
  expected: number,
): Promise<Returned> {
  const { load, server } = contender;
  await load.close();
  await waitUntilIdle(server);
  const requests = await readStoreRequests(delivering.port);
  const begin = { cpu: await server.cpu(), time: performance.now() };
  await contender.connect(hellos, CONCURRENCY);
  await load.arrived(expected);
  const milliseconds = performance.now() - begin.time;
  const cpu = (await server.cpu()) - begin.cpu;
  const none = { received: 0, duplicated: 0, misordered: 0, closed: 0 };
  return {
    cpu: cpu / hellos.length,
    perSecond: (hellos.length / milliseconds) * 1_000,
    requests: (await readStoreRequests(delivering.port)) - requests,
    faults: countFaults(none, await load.counts(), expected),
  };
}
