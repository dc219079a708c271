import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { findFreePorts } from "../../../bench/support/ports.js";
import { cleanUp } from "../clean-up.js";

/** A nats-server process. */
export class NatsServer {
  #config: string;
  readonly #folder: string;
  #process: ChildProcess | undefined;
  #port = 0;
  #monitorPort = 0;
  readonly #log: string[] = [];
  #onLine: (() => void)[] = [];

  /** @param config - lines of a nats-server configuration, without the port */
  constructor(config = "") {
    this.#config = config;
    this.#folder = mkdtempSync(join(tmpdir(), "carillon-nats-"));
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  /** URL of the monitoring port; requires `http: "127.0.0.1:-1"` in the configuration. */
  get monitorUrl(): string {
    return `http://127.0.0.1:${this.#monitorPort}`;
  }

  /** Starts on a free port, and on the same port after a restart. Resolves when it accepts clients. */
  async start(): Promise<void> {
    if (this.#port === 0) [this.#port = 0] = await findFreePorts(1);
    const file = join(this.#folder, "nats.conf");
    writeFileSync(file, `listen: "127.0.0.1:${this.#port}"\n${this.#config}\n`);
    const program = process.env["NATS_SERVER"] ?? "nats-server";
    const child = spawn(program, ["-c", file], { stdio: ["ignore", "ignore", "pipe"] });
    this.#process = child;
    this.#log.length = 0;
    createInterface({ input: child.stderr }).on("line", (line) => {
      this.#log.push(line);
      for (const wake of this.#onLine.splice(0)) wake();
    });
    await Promise.race([
      this.logged(/Server is ready/),
      once(child, "exit").then(() => {
        throw new Error(`nats-server did not start:\n${this.#log.join("\n")}`);
      }),
    ]);
    this.#monitorPort = this.#loggedPort(/Starting http monitor on 127\.0\.0\.1:(\d+)/) ?? 0;
  }

  /** Resolves when this number of log lines since the last start match. */
  async logged(pattern: RegExp, count = 1): Promise<void> {
    while (this.#log.filter((line) => pattern.test(line)).length < count) {
      await new Promise<void>((resolve) => {
        this.#onLine.push(resolve);
      });
    }
  }

  /** Returns the matching log lines since the last start. */
  linesOf(pattern: RegExp): string[] {
    return this.#log.filter((line) => pattern.test(line));
  }

  #loggedPort(pattern: RegExp): number | undefined {
    const port = this.#log.map((line) => pattern.exec(line)?.[1]).find((found) => found !== undefined);
    return port === undefined ? undefined : Number(port);
  }

  /** Sets the configuration for the next start. */
  reconfigure(config: string): void {
    this.#config = config;
  }

  /** Kills the process, and waits for its end. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  }

  /** Freezes the process (SIGSTOP), which stays connected but silent, until SIGCONT. */
  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
    if (signal === "SIGSTOP" && this.#process?.pid !== undefined) awaitStopped(this.#process.pid);
  }

  async remove(): Promise<void> {
    this.signal("SIGCONT");
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Waits until all threads have stopped, because the server may answer until then. */
function awaitStopped(pid: number): void {
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return;
  const isStopped = (task: string): boolean => {
    // The state follows the name in parentheses, which may contain any characters.
    return /\) [Tt] /.test(readFileSync(join(tasks, task, "stat"), "utf8"));
  };
  while (!readdirSync(tasks).every(isStopped));
}

/** Starts a nats-server on a free port, and stops it after the test. */
export async function startNats(config = ""): Promise<NatsServer> {
  const server = new NatsServer(config);
  cleanUp(() => server.remove());
  await server.start();
  return server;
}
