import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { cleanUp } from "./clean-up.js";

/** A real nats-server in a process of its own. */
export class NatsServer {
  readonly #config: string;
  readonly #folder: string;
  #process: ChildProcess | undefined;
  #port = -1;

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

  /** Starts, on a free port the first time and on the same one again after that. Resolves when it takes clients. */
  async start(): Promise<void> {
    const file = join(this.#folder, "nats.conf");
    writeFileSync(file, `listen: "127.0.0.1:${this.#port}"\n${this.#config}\n`);
    const program = process.env["NATS_SERVER"] ?? "nats-server";
    const child = spawn(program, ["-c", file], { stdio: ["ignore", "ignore", "pipe"] });
    this.#process = child;
    const output: string[] = [];
    for await (const line of createInterface({ input: child.stderr })) {
      output.push(line);
      const port = /Listening for client connections on 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port !== undefined) this.#port = Number(port);
      if (line.includes("Server is ready")) {
        child.stderr.resume();
        return;
      }
    }
    throw new Error(`nats-server did not start:\n${output.join("\n")}`);
  }

  /** Ends the process at once and waits until it is gone. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  }

  /** SIGSTOP: it is there and says nothing. SIGCONT ends that. */
  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  async remove(): Promise<void> {
    this.signal("SIGCONT");
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Starts a nats-server on a free port; it is ended after the test. */
export async function startNats(config = ""): Promise<NatsServer> {
  const server = new NatsServer(config);
  cleanUp(() => server.remove());
  await server.start();
  return server;
}
