import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** nats-server of a benchmark. NATS_SERVER names the program; the default is nats-server on PATH. */
export interface Nats {
  readonly url: string;
  readonly stop: () => void;
}

/**
 * Starts a nats-server.
 * @param flags - further flags, such as those for JetStream
 * @throws Error when it does not start
 */
export async function startNats(flags: readonly string[] = []): Promise<Nats> {
  const program = process.env["NATS_SERVER"] ?? "nats-server";
  const child: ChildProcess = spawn(program, ["-a", "127.0.0.1", "-p", "-1", ...flags], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const failed = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => {
      reject(new Error(`nats-server ended with ${code}`));
    });
  });
  failed.catch(() => {});
  const url = await Promise.race([readUrl(child), failed]);
  return { url, stop: () => child.kill("SIGKILL") };
}

async function readUrl(child: ChildProcess): Promise<string> {
  if (child.stderr === null) throw new Error("nats-server has no output");
  let port = "";
  for await (const line of createInterface({ input: child.stderr })) {
    port = /Listening for client connections on 127\.0\.0\.1:(\d+)/.exec(line)?.[1] ?? port;
    if (line.includes("Server is ready")) break;
  }
  child.stderr.resume();
  return `nats://127.0.0.1:${port}`;
}
