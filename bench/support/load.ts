import type { Connect } from "../load.js";
import { Child } from "./child.js";
import { Histogram } from "./histogram.js";
import type { Counts } from "./tally.js";

/** Connecting clients at a time, where a benchmark does not say otherwise. */
const ABREAST = 128;

/** Milliseconds after which messages that have not come are lost. */
const PATIENCE = 20_000;

/** The clients of one server, in a process of their own. */
export class Load {
  static #count = 0;
  readonly #child = new Child("load.js");
  readonly #target: Pick<Connect, "port" | "path" | "from" | "answers">;

  constructor(port: number, path: Connect["path"], answers: number) {
    Load.#count += 1;
    // Only Linux takes all of 127.0.0.0/8 for its own. Each address has some 28,000 ports.
    const from = process.platform === "linux" ? `127.0.0.${2 + (Load.#count % 250)}` : "127.0.0.1";
    this.#target = { port, path, from, answers };
  }

  connect(hellos: Connect["hellos"], abreast = ABREAST): Promise<void> {
    return this.#child.ask("connect", { ...this.#target, hellos, abreast });
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

  /** Of the clients that stopped reading. */
  slowCounts(): Promise<Counts> {
    return this.#child.ask("slowCounts");
  }

  /** The first so many clients stop reading. */
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
