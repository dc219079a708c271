import { Child } from "./child.js";
import { type Nats, startNats } from "./nats.js";

/** Notifications of a watcher. */
export interface Seen {
  readonly joined: number;
  readonly duplicated: number;
  readonly changes: number;
  /** Number of members, according to the node. */
  readonly count: number;
}

export interface JoinStorm {
  /** CPU time of each node per join, in microseconds. */
  readonly joining: number;
  readonly watching: number;
  /** Time until the other node's watcher knows all members, in milliseconds. */
  readonly time: number;
  readonly seen: Seen;
}

/** Two nodes on a nats-server, with a number of earlier members. */
export class PresencePair {
  readonly name: string;
  readonly #before: number;
  readonly #nats: Nats;
  readonly #joining = new Child("servers/presence.js");
  readonly #watching = new Child("servers/presence.js");

  private constructor(name: string, before: number, nats: Nats) {
    this.name = name;
    this.#before = before;
    this.#nats = nats;
  }

  static async start(before: number): Promise<PresencePair> {
    const nats = await startNats();
    const pair = new PresencePair(before.toLocaleString("en"), before, nats);
    await pair.#joining.ask("start", { node: "joining", url: nats.url });
    await pair.#watching.ask("start", { node: "watching", url: nats.url });
    await pair.#joining.ask("enter", { prefix: "before", count: before });
    await pair.#reached(before);
    return pair;
  }

  /** Joins members at one node as fast as it accepts them; they leave again, which is not measured. */
  async storm(count: number): Promise<JoinStorm> {
    const children = [this.#joining, this.#watching];
    const begin = await Promise.all(children.map((child) => child.cpu()));
    const began = performance.now();
    await this.#joining.ask("enter", { prefix: "storm", count });
    const seen = await this.#reached(this.#before + count);
    const time = performance.now() - began;
    const end = await Promise.all(children.map((child) => child.cpu()));
    const [joining = 0, watching = 0] = end.map((cpu, position) => (cpu - (begin[position] ?? 0)) / count);
    await this.#joining.ask("leave", { prefix: "storm", count });
    await this.#reached(this.#before);
    return { joining, watching, time, seen };
  }

  async stop(): Promise<void> {
    await Promise.all([this.#joining.stop(), this.#watching.stop()]);
    this.#nats.stop();
  }

  /** Waits for both watchers, and returns the result of the watching node. */
  async #reached(count: number): Promise<Seen> {
    await this.#joining.ask("reached", count);
    return this.#watching.ask<Seen>("reached", count);
  }
}
