import type { Connect } from "../load.js";
import type { Memory } from "./child.js";
import { Load } from "./load.js";
import { createPayload, joinText, topicName } from "./payload.js";

/** Message to publish: name of the topic and payload. */
export type Entry = readonly [topic: string, payload: string];

/** Process of a server under test. */
export interface ServerProcess {
  /** Returns the user and system time of the process so far, in microseconds. */
  cpu(): Promise<number>;
  /** Returns the number of write system calls of the process; undefined on systems that do not count them. */
  writes(): Promise<number | undefined>;
  /** Returns the memory of the process after a garbage collection. */
  memory(): Promise<Memory>;
  stop(): Promise<void>;
}

/** Takes a CPU profile of a server, from its first clients to its end. */
export interface ServerProfiler {
  readonly begin: () => Promise<unknown>;
  readonly end: () => Promise<unknown>;
}

/** Server under test, with its own clients. */
export interface ContenderOptions {
  readonly name: string;
  readonly server: ServerProcess;
  readonly port: number;
  /** One path for all clients, or one for each. */
  readonly path: string | readonly string[];
  /** Number of frames that answer a client's first frame. */
  readonly answers?: number;
  /** Creates what a client says to join topics; default: Carillon's join command. */
  readonly join?: (topics: readonly number[]) => Connect["hellos"][number];
  /** Publishes messages that the server delivers in one turn; resolves when the server has accepted them. */
  readonly publish: (entries: readonly Entry[]) => Promise<unknown>;
  /** Stops other processes and connections of the contender. */
  readonly end?: () => unknown;
  readonly profiler?: ServerProfiler | undefined;
}

export class Contender {
  readonly name: string;
  readonly server: ServerProcess;
  readonly load: Load;
  readonly join: NonNullable<ContenderOptions["join"]>;
  readonly #options: ContenderOptions;
  readonly #numbers = new Map<number, number>();

  constructor(options: ContenderOptions) {
    this.name = options.name;
    this.server = options.server;
    this.join = options.join ?? joinText;
    this.load = new Load(options.port, options.path, options.answers ?? 1);
    this.#options = options;
  }

  /** Replaces the clients by new ones. @param hellos - what each client says; see {@link Connect} */
  async connect(hellos: Connect["hellos"], concurrency?: number): Promise<void> {
    this.#numbers.clear();
    await this.load.connect(hellos, concurrency);
    await this.#options.profiler?.begin();
  }

  /** Publishes one numbered message to each of the topics, all in one turn. @param bytes - size of each payload */
  publish(topics: readonly number[], bytes: number): Promise<unknown> {
    const entries = topics.map((topic): Entry => {
      const number = (this.#numbers.get(topic) ?? 0) + 1;
      this.#numbers.set(topic, number);
      return [topicName(topic), createPayload(topic, number, bytes)];
    });
    return this.#options.publish(entries);
  }

  async stop(): Promise<void> {
    const { end, profiler } = this.#options;
    await profiler?.end();
    end?.();
    await Promise.all([this.server.stop(), this.load.stop()]);
  }
}

/** Starts contenders, runs a function with them, and always stops them afterwards. */
export async function withContenders<Result>(
  begin: readonly (() => Promise<Contender>)[],
  run: (contenders: readonly Contender[]) => Promise<Result>,
): Promise<Result> {
  const contenders: Contender[] = [];
  try {
    for (const make of begin) contenders.push(await make());
    return await run(contenders);
  } finally {
    await Promise.all(contenders.map((contender) => contender.stop()));
  }
}
