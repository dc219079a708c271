import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Running processes of this program, and its temporary folders. Both are removed when the program ends for any reason. */
const running = new Set<ChildProcess>();
const folders = new Set<string>();

process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    process.exit(1);
  });
}

/** Creates a folder that is removed at the end of the program. */
export function createFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "carillon-chaos-"));
  folders.add(folder);
  return folder;
}

/** Longest wait for a process to print what it is expected to, in milliseconds. */
const PATIENCE = 60_000;

/** Number of lines that are kept, from the start of a process. */
const KEPT_LINES = 2_000;

/** Process whose output is read line by line. */
export class LoggedProcess {
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;
  readonly #lines: string[] = [];
  #onLine: (() => void)[] = [];
  #ended = false;

  constructor(command: string, args: readonly string[]) {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    running.add(child);
    this.#gone = once(child, "exit").then(() => {
      running.delete(child);
      this.#ended = true;
      this.#wake();
    });
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        if (this.#lines.length < KEPT_LINES) this.#lines.push(line);
        this.#wake();
      });
    }
  }

  /** Resolves with the first match of a printed line. @throws Error when the process ends before, or prints it too late */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    const timer = setTimeout(() => {
      this.#ended = true;
      this.#wake();
    }, PATIENCE);
    try {
      for (;;) {
        for (const line of this.#lines) {
          const match = pattern.exec(line);
          if (match !== null) return match;
        }
        if (this.#ended) throw new Error(`${pattern} was not printed:\n${this.#lines.slice(-20).join("\n")}`);
        await new Promise<void>((resolve) => this.#onLine.push(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Returns the printed lines that match, among the first 2,000. */
  linesOf(pattern: RegExp): readonly string[] {
    return this.#lines.filter((line) => pattern.test(line));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends a signal, and waits for the end of the process. A process that outlives `patience` milliseconds is killed. */
  async end(signal: NodeJS.Signals, patience = 20_000): Promise<void> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), patience);
    this.#child.kill(signal);
    await this.#gone;
    clearTimeout(timer);
  }

  #wake(): void {
    for (const resolve of this.#onLine.splice(0)) resolve();
  }
}
