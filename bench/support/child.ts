import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Request of a benchmark to one of its processes. */
interface ChildRequest {
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

/** Process of a benchmark: a server under test or a load. It answers requests by name. */
export class Child {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #requests = 0;

  /**
   * @param script - path below bench/, for example `servers/carillon.js`
   * @param flags - flags of Node
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

  /** Sends a request to the process. @throws Error when it fails, or the process ends before its answer */
  ask<Answer>(ask: string, argument?: unknown): Promise<Answer> {
    this.#requests += 1;
    const id = this.#requests;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (reply) => {
        this.#waiting.delete(id);
        if ("fault" in reply) reject(new Error(`${ask}: ${reply.fault}`));
        else resolve(reply.answer as Answer);
      });
      this.#process.send({ id, ask, with: argument });
    });
  }

  /** Returns the user and system time of the process so far, in microseconds. */
  cpu(): Promise<number> {
    return this.ask<number>("cpu");
  }

  /** Returns the number of write system calls of the process; undefined on systems that do not count them. */
  writes(): Promise<number | undefined> {
    return this.ask<number | undefined>("writes");
  }

  /** Returns the memory of the process. Needs the flag `--expose-gc`. */
  memory(): Promise<Memory> {
    return this.ask<Memory>("memory");
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await exited;
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

/** Answers requests by name, in the child process. */
export function answer(answers: Readonly<Record<string, (argument: never) => unknown>>): void {
  const all: Readonly<Record<string, (argument: never) => unknown>> = { ...COMMON, ...answers };
  const reply = async ({ ask, id, with: argument }: ChildRequest): Promise<Reply> => {
    try {
      return { id, answer: await all[ask]?.(argument as never) };
    } catch (cause) {
      return { id, fault: String(cause) };
    }
  };
  process.on("message", (request: ChildRequest) => {
    void reply(request).then((message) => process.send?.(message));
  });
  // The benchmark has ended without stopping this process.
  process.on("disconnect", () => process.exit());
}
