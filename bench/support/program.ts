import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Memory } from "./child.js";
import type { ServerProcess } from "./contender.js";
import { pause } from "./pause.js";

/** Microseconds of a clock tick. Linux reports CPU times to programs in hundredths of a second on all machines. */
const TICK = 10_000;

export interface ProgramOptions {
  readonly stdio: SpawnOptions["stdio"];
  /** Makes the program collect its garbage. */
  readonly collect?: () => Promise<void>;
}

/** Server under test that is not a script of ours. Its figures are read from /proc, which only Linux has. */
export class Program implements ServerProcess {
  readonly process: ChildProcess;
  readonly #collect: (() => Promise<void>) | undefined;

  constructor(path: string, args: readonly string[], { collect, stdio }: ProgramOptions) {
    this.process = spawn(path, args, { stdio });
    // `check` reports a failed start.
    this.process.on("error", () => {});
    this.#collect = collect;
  }

  /** Throws when the program has ended or could not be started. */
  check(): void {
    const { exitCode, pid, signalCode, spawnfile } = this.process;
    if (pid === undefined) throw new Error(`${spawnfile} could not be started`);
    if (exitCode !== null || signalCode !== null) throw new Error(`${spawnfile} ended with ${exitCode ?? signalCode}`);
  }

  async cpu(): Promise<number> {
    const text = this.#read("stat");
    // The second field is the name in parentheses, which may contain spaces.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * TICK;
  }

  async writes(): Promise<number> {
    return Number(/^syscw: (\d+)$/m.exec(this.#read("io"))?.[1]);
  }

  /** Returns the resident memory once the system has got back what a collection freed. The heap is unknown. */
  async memory(): Promise<Memory> {
    await this.#collect?.();
    let resident = this.#resident();
    for (let left = 15; left > 0; left -= 1) {
      await pause(1_000);
      const now = this.#resident();
      if (now > resident * 0.99) return { resident: now, heap: Number.NaN };
      resident = now;
    }
    return { resident, heap: Number.NaN };
  }

  async stop(): Promise<void> {
    const { exitCode, pid, signalCode } = this.process;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    const exited = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await exited;
  }

  #resident(): number {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(this.#read("status"))?.[1]) * 1_024;
  }

  #read(file: string): string {
    this.check();
    return readFileSync(`/proc/${this.process.pid}/${file}`, "utf8");
  }
}
