import type { Connect } from "../load.js";
import type { Child } from "./child.js";
import { Load } from "./load.js";
import { payload, topicName } from "./payload.js";

/** A message on its way to a server: the topic's name, and the payload. */
export type Entry = readonly [topic: string, payload: string];

/** A server in the race, with clients of its own. */
export interface ContenderOptions {
  readonly name: string;
  readonly server: Child;
  readonly port: number;
  /** The same for all clients, or one for each. */
  readonly path: string | readonly string[];
  /** How many frames answer a client's first one. */
  readonly answers?: number;
  /** Hands over messages that are to be delivered in one turn; resolves when the server has taken them. */
  readonly publish: (entries: readonly Entry[]) => Promise<unknown>;
  /** Other processes and connections that end with it. */
  readonly end?: () => unknown;
  /** A folder for a CPU profile of the server, from its first clients on; it must know how. */
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

  /** Connects new clients in place of those there are. @param hellos - what each says first; "" for nothing */
  async connect(hellos: Connect["hellos"], abreast?: number): Promise<void> {
    this.#numbers.clear();
    await this.load.connect(hellos, abreast);
    if (this.#options.profiles !== undefined) await this.server.ask("beginProfile");
  }

  /** Publishes one numbered message of so many bytes to each of the topics, all in one turn. */
  publish(topics: readonly number[], bytes: number): Promise<unknown> {
    const entries = topics.map((topic): Entry => {
      const number = (this.#numbers.get(topic) ?? 0) + 1;
      this.#numbers.set(topic, number);
      return [topicName(topic), payload(topic, number, bytes)];
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

/** Runs with contenders that are ended afterwards, whatever happens. */
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
