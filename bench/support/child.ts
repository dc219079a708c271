import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** What a benchmark asks a process of its own. */
interface Question {
  readonly id: number;
  readonly ask: string;
  readonly with?: unknown;
}

type Reply = { readonly id: number } & ({ readonly answer: unknown } | { readonly fault: string });

/** Memory of a process after a garbage collection, in bytes. */
export interface Memory {
  readonly resident: number;
  readonly heap: number;
}

/** A process of the benchmark: a server under test, or a load. It answers questions by name. */
export class Child {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #questions = 0;

  /**
   * @param script - path below bench/, such as `servers/carillon.js`
   * @param flags - for Node
   */
  constructor(script: string, flags: readonly string[] = []) {
    this.#process = fork(fileURLToPath(new URL(`../${script}`, import.meta.url)), {
      execArgv: [...flags],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#process.on("message", (reply: Reply) => {
      this.#waiting.get(reply.id)?.(reply);
    });
    this.#process.on("exit", (code) => {
      for (const [id, settle] of this.#waiting) settle({ id, fault: `${script} ended with ${code}` });
    });
  }

  /** @throws Error when the answer is a fault, or the process ends before it */
  ask<Answer>(ask: string, argument?: unknown): Promise<Answer> {
    this.#questions += 1;
    const id = this.#questions;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (reply) => {
        this.#waiting.delete(id);
        if ("fault" in reply) reject(new Error(`${ask}: ${reply.fault}`));
        else resolve(reply.answer as Answer);
      });
      this.#process.send({ id, ask, with: argument });
    });
  }

  /** User and system time that the process has had, in microseconds, as the operating system counts it. */
  cpu(): Promise<number> {
    return this.ask<number>("cpu");
  }

  /** How many times the process has asked the system to write; undefined where that is not told. */
  writes(): Promise<number | undefined> {
    return this.ask<number | undefined>("writes");
  }

  /** Needs the flag `--expose-gc`. */
  memory(): Promise<Memory> {
    return this.ask<Memory>("memory");
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await gone;
  }
}

const COMMON: Readonly<Record<string, () => unknown>> = {
  cpu() {
    const { system, user } = process.cpuUsage();
    return system + user;
  },
  writes() {
    if (process.platform !== "linux") return undefined;
    return Number(/^syscw: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
  },
  memory(): Memory {
    for (let times = 0; times < 3; times += 1) globalThis.gc?.();
    const { external, heapUsed, rss } = process.memoryUsage();
    return { resident: rss, heap: heapUsed + external };
  },
};

/** The child's side: answers questions by name. */
export function answer(answers: Readonly<Record<string, (argument: never) => unknown>>): void {
  const all: Readonly<Record<string, (argument: never) => unknown>> = { ...COMMON, ...answers };
  const reply = async ({ ask, id, with: argument }: Question): Promise<Reply> => {
    try {
      return { id, answer: await all[ask]?.(argument as never) };
    } catch (cause) {
      return { id, fault: String(cause) };
    }
  };
  process.on("message", (question: Question) => {
    void reply(question).then((message) => process.send?.(message));
  });
}
