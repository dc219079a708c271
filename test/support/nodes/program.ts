import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { PATIENCE } from "../patience.js";

export interface ProgramOptions {
  readonly folder: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Whether the program's input stays open for `write`. */
  readonly keepsInput?: boolean;
}

/** Any program in a process group of its own, with everything that it prints. */
export class Program {
  readonly #child: ChildProcess;
  readonly #gone: Promise<number | null>;
  #ended = false;
  #printed = { stdout: "", stderr: "" };
  #onChange: (() => void)[] = [];

  constructor(command: string, args: readonly string[], { environment, folder, keepsInput }: ProgramOptions) {
    this.#child = spawn(command, args, {
      cwd: folder,
      env: environment,
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    // A program that does not read its input may have closed it.
    this.#child.stdin?.on("error", () => {});
    if (keepsInput !== true) this.#child.stdin?.end();
    for (const name of ["stdout", "stderr"] as const) {
      this.#child[name]?.setEncoding("utf8").on("data", (text: string) => {
        this.#printed[name] += text;
        this.#changed();
      });
    }
    this.#gone = once(this.#child, "close").then(([code]) => {
      this.#ended = true;
      this.#changed();
      return code as number | null;
    });
  }

  /** Process id; 0 when the program could not be started. */
  get id(): number {
    return this.#child.pid ?? 0;
  }

  get stdout(): string {
    return this.#printed.stdout;
  }

  /** Both streams, what went to stderr last. */
  get printed(): string {
    return this.#printed.stdout + this.#printed.stderr;
  }

  /** Resolves with the exit code. */
  get gone(): Promise<number | null> {
    return this.#gone;
  }

  /** Writes to the program's input. */
  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  count(text: RegExp): number {
    return [...this.printed.matchAll(new RegExp(text, "gm"))].length;
  }

  /** Resolves with the match when this has been printed so many times. Rejects when the program ends before. */
  async says(text: RegExp, times = 1): Promise<RegExpMatchArray> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#changed();
    }, PATIENCE);
    try {
      return await this.#says(text, times, () => late);
    } finally {
      clearTimeout(timer);
    }
  }

  async #says(text: RegExp, times: number, late: () => boolean): Promise<RegExpMatchArray> {
    for (;;) {
      const match = [...this.printed.matchAll(new RegExp(text, "gm"))][times - 1];
      if (match !== undefined) return match;
      if (this.#ended || late()) {
        throw new Error(`it ${this.#ended ? "ended" : "runs"} without saying ${String(text)}:\n${this.printed}`);
      }
      await new Promise<void>((resolve) => this.#onChange.push(resolve));
    }
  }

  /** Signals the whole group, as a terminal does, and waits for the end. */
  async stop(signal: NodeJS.Signals): Promise<number | null> {
    if (!this.#ended && this.#child.pid !== undefined) process.kill(-this.#child.pid, signal);
    return this.#gone;
  }

  #changed(): void {
    const waiting = this.#onChange;
    this.#onChange = [];
    for (const resolve of waiting) resolve();
  }
}
