import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { cleanUp } from "../clean-up.js";
import { PATIENCE } from "../patience.js";
import { PROGRAM } from "./process.js";

const PYTHON = process.env["PYTHON"] ?? "python3";
const HELPER = join(__dirname, "terminal.py");

/** Groups tests that need a terminal, which Python makes. Without it they are skipped, and the group's title says why. */
export function ifTerminal(title: string, tests: () => void): void {
  const isMissing = spawnSync(PYTHON, ["-c", "import pty"]).status !== 0;
  const group = isMissing ? describe.skip : describe;
  group(isMissing ? `${title} (skipped: no python3 with pty)` : title, tests);
}

/** Built executable in a terminal of its own, until the end of the test. */
export class Terminal {
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;
  #printed = "";
  #onPrint: () => void = () => {};

  constructor(args: readonly string[], { rows = 24, columns = 80, environment = {} } = {}) {
    this.#child = spawn(PYTHON, [HELPER, String(rows), String(columns), process.execPath, PROGRAM, ...args], {
      env: { PATH: process.env["PATH"], TERM: "xterm-256color", ...environment },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#printed += text.replaceAll("\u001b", "␛");
      this.#onPrint();
    });
    this.exited = once(this.#child, "close").then(([code]) => {
      this.#onPrint();
      return code as number | null;
    });
    cleanUp(async () => {
      this.#child.kill("SIGKILL");
      await this.exited;
    });
  }

  /** Everything printed since the start or the last `forget`, with `␛` for escape. */
  get printed(): string {
    return this.#printed;
  }

  forget(): void {
    this.#printed = "";
  }

  type(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  resize(rows: number, columns: number): void {
    this.#child.stdin?.write(`\0${rows} ${columns}\n`);
  }

  /** Resolves when the text has been printed. Rejects when it is not printed in time. */
  async shows(text: RegExp): Promise<RegExpExecArray> {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const match = text.exec(this.#printed);
      if (match !== null) return match;
      if (Date.now() > deadline) throw new Error(`not shown: ${text}\n${JSON.stringify(this.#printed.slice(-4_000))}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, PATIENCE);
        this.#onPrint = () => {
          clearTimeout(timer);
          resolve();
        };
        if (this.#child.exitCode !== null) this.#onPrint();
      });
      if (this.#child.exitCode !== null && text.exec(this.#printed) === null)
        throw new Error(`ended without showing ${text}\n${JSON.stringify(this.#printed.slice(-4_000))}`);
    }
  }
}
