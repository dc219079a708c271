import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** What a benchmark asks a process of its own, and what that answers. */
export interface Question {
  readonly id: number;
  readonly ask: string;
  readonly with?: unknown;
}

/** A process of the benchmark: a server under test, or the load. It answers questions one by one. */
export class Child {
  readonly #process: ChildProcess;
  #questions = 0;

  /** @param script - path below bench/, such as `servers/carillon.js` */
  constructor(script: string) {
    this.#process = fork(fileURLToPath(new URL(`../${script}`, import.meta.url)), {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
  }

  async ask<Answer>(ask: string, argument?: unknown): Promise<Answer> {
    this.#questions += 1;
    const id = this.#questions;
    const answered = new Promise<Answer>((resolve, reject) => {
      const onExit = (code: number | null): void => {
        reject(new Error(`a process of the benchmark ended with ${code}`));
      };
      const onMessage = (message: { readonly id: number; readonly answer: Answer }): void => {
        if (message.id !== id) return;
        this.#process.off("exit", onExit);
        this.#process.off("message", onMessage);
        resolve(message.answer);
      };
      this.#process.on("exit", onExit);
      this.#process.on("message", onMessage);
    });
    this.#process.send({ id, ask, with: argument });
    return answered;
  }

  /** User and system time that the process has had, in microseconds, as the operating system counts it. */
  cpu(): Promise<number> {
    return this.ask<number>("cpu");
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await gone;
  }
}

/** The child's side: answers questions by name. */
export function answer(answers: Readonly<Record<string, (argument: never) => unknown>>): void {
  const all: Readonly<Record<string, (argument: never) => unknown>> = {
    cpu: () => {
      const { system, user } = process.cpuUsage();
      return system + user;
    },
    ...answers,
  };
  process.on("message", ({ ask, id, with: argument }: Question) => {
    void (async () => {
      process.send?.({ id, answer: await all[ask]?.(argument as never) });
    })();
  });
}
