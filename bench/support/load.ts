import type { Connect } from "../load.js";
import { Child } from "./child.js";
import { Histogram } from "./histogram.js";
import type { Counts } from "./tally.js";

/** Default number of clients that connect at the same time. */
const CONCURRENCY = 128;

/** Number of addresses that clients of a load connect from in turn. */
const ADDRESSES = 4;

/** Milliseconds after which missing messages count as lost. */
const PATIENCE = 20_000;

/** Clients of one server, in a separate process. */
export class Load {
  static #count = 0;
  readonly #child = new Child("load.js");
  readonly #target: Pick<Connect, "port" | "path" | "from" | "answers">;

  constructor(port: number, path: Connect["path"], answers: number) {
    Load.#count += 1;
    this.#target = { port, path, from: Load.#createAddresses(), answers };
  }

  /**
   * Returns addresses to connect from. Each has about 28,000 ports, of which the second half is slow to find. Loads, also those of
   * other benchmarks on this machine, rarely have the same addresses.
   */
  static #createAddresses(): string[] {
    // Only Linux binds all of 127.0.0.0/8.
    if (process.platform !== "linux") return ["127.0.0.1"];
    const first = Load.#count * ADDRESSES;
    const addresses = Array.from({ length: ADDRESSES }, (_, position) => (first + position) % 250);
    return addresses.map((last) => `127.1.${1 + (process.pid % 250)}.${1 + last}`);
  }

  connect(hellos: Connect["hellos"], concurrency = CONCURRENCY): Promise<void> {
    return this.#child.ask("connect", { ...this.#target, hellos, concurrency });
  }

  close(): Promise<void> {
    return this.#child.ask("close");
  }

  arrived(total: number): Promise<void> {
    return this.#child.ask("arrived", { total, patience: PATIENCE });
  }

  counts(): Promise<Counts> {
    return this.#child.ask("counts");
  }

  /** Returns the counts of the clients that stopped reading. */
  slowCounts(): Promise<Counts> {
    return this.#child.ask("slowCounts");
  }

  /** Stops reading on the first clients. */
  pause(clients: number): Promise<void> {
    return this.#child.ask("pause", clients);
  }

  resume(): Promise<void> {
    return this.#child.ask("resume");
  }

  beginLatency(): Promise<void> {
    return this.#child.ask("beginLatency");
  }

  async endLatency(): Promise<Histogram> {
    return new Histogram(await this.#child.ask<number[]>("endLatency"));
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }
}
