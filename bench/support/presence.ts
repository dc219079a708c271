import { Child } from "./child.js";
import { type Nats, startNats } from "./nats.js";

/** What a watcher was told. */
export interface Seen {
  readonly joined: number;
  readonly duplicated: number;
  readonly changes: number;
  /** Of members, as the node says. */
  readonly count: number;
}

export interface JoinStorm {
  /** Microseconds of each node's CPU for each member that joins. */
  readonly joining: number;
  readonly hearing: number;
  /** Until the other node's watcher had been told of all, in milliseconds. */
  readonly time: number;
  readonly seen: Seen;
}

/** Two nodes on a nats-server, with members that were there before. */
export class PresencePair {
  readonly name: string;
  readonly #before: number;
  readonly #nats: Nats;
  readonly #joining = new Child("servers/presence.js");
  readonly #hearing = new Child("servers/presence.js");

  private constructor(name: string, before: number, nats: Nats) {
    this.name = name;
    this.#before = before;
    this.#nats = nats;
  }

  static async start(before: number): Promise<PresencePair> {
    const nats = await startNats();
    const pair = new PresencePair(before.toLocaleString("en"), before, nats);
    await pair.#joining.ask("start", { node: "joining", url: nats.url });
    await pair.#hearing.ask("start", { node: "hearing", url: nats.url });
    await pair.#joining.ask("enter", { prefix: "before", count: before });
    await pair.#reached(before);
    return pair;
  }

  /** So many join at one node as fast as it takes them, and leave again, which does not count. */
  async storm(count: number): Promise<JoinStorm> {
    const children = [this.#joining, this.#hearing];
    const begin = await Promise.all(children.map((child) => child.cpu()));
    const began = performance.now();
    await this.#joining.ask("enter", { prefix: "storm", count });
    const seen = await this.#reached(this.#before + count);
    const time = performance.now() - began;
    const end = await Promise.all(children.map((child) => child.cpu()));
    const [joining = 0, hearing = 0] = end.map((cpu, position) => (cpu - (begin[position] ?? 0)) / count);
    await this.#joining.ask("leave", { prefix: "storm", count });
    await this.#reached(this.#before);
    return { joining, hearing, time, seen };
  }

  async stop(): Promise<void> {
    await Promise.all([this.#joining.stop(), this.#hearing.stop()]);
    this.#nats.stop();
  }

  /** Both watchers; the hearing node's is the one that counts. */
  async #reached(count: number): Promise<Seen> {
    await this.#joining.ask("reached", count);
    return this.#hearing.ask<Seen>("reached", count);
  }
}
