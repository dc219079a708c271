import { pause } from "../../support/pause.js";
import { progress } from "../../support/progress.js";
import { ChaosClient } from "./chaos-client.js";
import { ChaosNode, type NodeSettings } from "./chaos-node.js";
import { ChaosPublisher } from "./chaos-publisher.js";
import { type ChaosResult, compareWithStore } from "./compare-with-store.js";
import { NatsCluster } from "./nats-cluster.js";
import { Observations } from "./observations.js";
import { createFolder } from "./processes.js";
import { StoredLog } from "./stored-log.js";

/** Size of a run. */
export interface ChaosSize {
  readonly toy: boolean;
  readonly clients: number;
  /** Duration of each phase of undisturbed or disturbed traffic. */
  readonly seconds: number;
}

/** Topics and configuration of a scenario. */
export interface WorldOptions {
  readonly size: ChaosSize;
  /** History classes of the topics. Topics are named after their class, such as `keep.0`. */
  readonly classes: Readonly<Record<string, { readonly topics: number; readonly settings: object }>>;
  /** Further vhosts of the nodes. */
  readonly vhosts?: Readonly<Record<string, object>>;
  /** Further settings of the nodes. */
  readonly settings?: NodeSettings;
}

/** Class whose messages stay for the whole run. */
export const KEEP = {
  messages: 100_000,
  age: "1h",
  bytes: "256MiB",
  storage: "file",
  replicas: 3,
  deduplication: "10m",
} as const;

const NODES = 3;
/** Share of clients that never ask for positions. */
const PLAIN = 0.1;
/** One of so many clients loses its connection in each phase. */
const INTERRUPTED = 8;
/** Longest wait for clients and publishers, in milliseconds. */
const PATIENCE = 90_000;

/** Nodes, NATS servers, clients and publishers of a scenario. */
export class World {
  readonly nodes: readonly ChaosNode[];
  readonly cluster: NatsCluster;
  readonly clients: readonly ChaosClient[];
  readonly publishers: readonly ChaosPublisher[];
  readonly observed: Observations;
  readonly logs: ReadonlyMap<string, StoredLog>;
  readonly topics: readonly string[];
  readonly size: ChaosSize;
  /** Topics from which messages have been removed. */
  readonly trimmed = new Set<string>();
  #phase = 0;
  readonly #falseRecoveries: string[] = [];
  readonly #expected: string[] = [];

  private constructor(options: WorldOptions, cluster: NatsCluster, nodes: readonly ChaosNode[]) {
    this.size = options.size;
    this.cluster = cluster;
    this.nodes = nodes;
    const observed = new Observations();
    this.observed = observed;
    const classes = Object.entries(options.classes);
    this.logs = new Map(classes.map(([name]) => [name, new StoredLog(cluster, name)]));
    this.topics = classes.flatMap(([name, { topics }]) => Array.from({ length: topics }, (_, n) => `${name}.${n}`));
    this.publishers = this.topics.map((topic, position) => this.#createPublisher(topic, position));
    this.clients = Array.from({ length: options.size.clients }, (_, position) => this.#createClient(position));
  }

  /** Starts servers, nodes, clients and publishers, calls `run`, and always stops them. */
  static async run(options: WorldOptions, run: (world: World) => Promise<void>): Promise<ChaosResult> {
    const folder = createFolder();
    let cluster: NatsCluster | undefined;
    const nodes: ChaosNode[] = [];
    let world: World | undefined;
    try {
      cluster = await NatsCluster.start(folder);
      const settings = configure(options);
      for (let position = 0; position < NODES; position += 1) {
        nodes.push(await ChaosNode.create(position, cluster, folder, settings));
      }
      await Promise.all([cluster.untilReady(), ...nodes.map((node) => node.start())]);
      world = new World(options, cluster, nodes);
      await world.#begin();
      await run(world);
      return await world.#finish();
    } finally {
      for (const client of world?.clients ?? []) client.leave();
      await Promise.all((world?.publishers ?? []).map((publisher) => publisher.halt()));
      await Promise.all(nodes.map((node) => node.close()));
      await cluster?.stop();
    }
  }

  /**
   * Lets traffic flow until each publisher has stored the number of messages that it publishes in a phase. Some clients lose
   * their connections in each phase.
   */
  async flow(what: string): Promise<void> {
    progress(`  ${what}`);
    this.#phase += 1;
    for (const [position, client] of this.clients.entries()) {
      if (position % INTERRUPTED === this.#phase % INTERRUPTED) client.interrupt();
    }
    const count = Math.max(5, Math.floor((this.size.seconds * 1_000) / this.#interval / 2));
    const ends = this.publishers.map((publisher) => publisher.stored.length + count);
    await this.#until(
      () =>
        this.publishers.every(({ isPaused, stored }, position) => isPaused || stored.length >= (ends[position] ?? 0)),
      `publishers are stuck: ${what}`,
    );
  }

  get #interval(): number {
    return this.size.toy ? 40 : 100;
  }

  #createPublisher(topic: string, position: number): ChaosPublisher {
    const [one, other] = [this.nodes[position % NODES], this.nodes[(position + 1) % NODES]];
    if (one === undefined || other === undefined) throw new Error("no node");
    return new ChaosPublisher({
      name: `p${position}`,
      topic,
      nodes: [one, other],
      protocol: position % 2 === 0 ? "connect" : "grpc",
      interval: this.#interval,
      observed: this.observed,
    });
  }

  /** Most clients are in one topic, every fifth is in three. */
  #createClient(position: number): ChaosClient {
    const count = position % 5 === 0 ? 3 : 1;
    const { topics } = this;
    const chosen = Array.from({ length: count }, (_, more) => topics[(position + more) % topics.length] ?? "");
    return new ChaosClient({
      nodes: this.nodes.map(({ http }) => http),
      first: Math.floor(position / topics.length),
      topics: [...new Set(chosen)],
      plain: position % Math.round(1 / PLAIN) === 3,
      observed: this.observed,
    });
  }

  async #begin(): Promise<void> {
    progress("  clients connect");
    for (const [position, client] of this.clients.entries()) {
      client.connect();
      // Handshakes in groups, as an accept queue is finite.
      if (position % 50 === 49) await Promise.race([client.joined(), pause(2_000)]);
    }
    await this.#within(Promise.all(this.clients.map((client) => client.joined())), "clients have not joined");
    // Messages of some classes are removed soon, so they are read from the beginning.
    for (const log of this.logs.values()) {
      await this.cluster.untilCreated(log.className);
      await log.follow();
    }
    for (const publisher of this.publishers) publisher.start();
    await this.flow("traffic begins");
  }

  /** Stops publishing, waits until all clients have everything, and compares. */
  async #finish(): Promise<ChaosResult> {
    await this.joined();
    await this.flow("last messages");
    await this.#within(
      Promise.all(this.publishers.map((publisher) => publisher.stop())),
      "publishers have not stopped",
    );
    for (const log of this.logs.values()) await log.caughtUp();
    const ends = new Map(this.topics.map((topic) => [topic, this.storedOf(topic).at(-1)]));
    const isDone = (): boolean =>
      this.clients.every(({ journals }) =>
        [...journals].every(([topic, { isOver, last }]) => isOver || last === ends.get(topic)),
      );
    await this.#until(isDone, undefined);
    return compareWithStore(this, { falseRecoveries: this.#falseRecoveries, expected: this.#expected });
  }

  /** Resolves when all clients are in their topics. */
  joined(): Promise<unknown> {
    return this.#within(Promise.all(this.clients.map((client) => client.joined())), "clients have not rejoined");
  }

  /** Notes a recovery from a position that is not the topic's. */
  countFalseRecovery(text: string): void {
    this.#falseRecoveries.push(text);
  }

  /** Requires that clients are told this reason. */
  expectRefused(reason: string): void {
    this.#expected.push(reason);
  }

  storedOf(topic: string): readonly string[] {
    return this.logs.get(topic.slice(0, topic.lastIndexOf(".")))?.of(topic) ?? [];
  }

  async #until(isDone: () => boolean, fault: string | undefined): Promise<void> {
    const end = performance.now() + (fault === undefined ? PATIENCE / 3 : PATIENCE);
    while (!isDone()) {
      if (performance.now() > end) {
        if (fault === undefined) return;
        throw new Error(fault);
      }
      await pause(50);
    }
  }

  async #within<T>(wait: Promise<T>, fault: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(fault)), PATIENCE);
    });
    try {
      return await Promise.race([wait, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function configure({ classes, settings: further = {}, vhosts = {} }: WorldOptions): NodeSettings {
  const vhost = {
    history: Object.fromEntries(Object.entries(classes).map(([name, { settings }]) => [name, settings])),
    topics: Object.keys(classes).map((name) => ({ match: `${name}.*`, history: name })),
  };
  return { vhosts: { "/": vhost, ...vhosts }, ...further };
}
