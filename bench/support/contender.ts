import type { Connect } from "../load.js";
import type { Child } from "./child.js";
import { Load } from "./load.js";
import { createPayload, topicName } from "./payload.js";

/** Message to publish: name of the topic and payload. */
export type Entry = readonly [topic: string, payload: string];

/** Server under test, with its own clients. */
export interface ContenderOptions {
  readonly name: string;
  readonly server: Child;
  readonly port: number;
  /** One path for all clients, or one for each. */
  readonly path: string | readonly string[];
  /** Number of frames that answer a client's first frame. */
  readonly answers?: number;
  /** Publishes messages that the server delivers in one turn; resolves when the server has accepted them. */
  readonly publish: (entries: readonly Entry[]) => Promise<unknown>;
  /** Stops other processes and connections of the contender. */
  readonly end?: () => unknown;
  /** Folder for a CPU profile of the server, starting with its first clients; the server must support it. */
  readonly profiles?: string | undefined;
}

export class Contender {
  readonly name: string;
  readonly server: Child;
  readonly load: Load;
  readonly #options: ContenderOptions;
  readonly #numbers = new Map<number, number>();

  constructor(options: ContenderOptions) {
    this.name = options.name;
    this.server = options.server;
    this.load = new Load(options.port, options.path, options.answers ?? 1);
    this.#options = options;
  }

  /** Replaces the clients by new ones. @param hellos - first text of each client; "" for none */
  async connect(hellos: Connect["hellos"], concurrency?: number): Promise<void> {
    this.#numbers.clear();
    await this.load.connect(hellos, concurrency);
    if (this.#options.profiles !== undefined) await this.server.ask("beginProfile");
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
    const { end, profiles } = this.#options;
    if (profiles !== undefined) await this.server.ask("endProfile", profiles);
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
