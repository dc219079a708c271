import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { natsServer } from "../../scripts/lib/nats-server.mjs";
import { SetupError } from "../../scripts/lib/say.mjs";

/** Starts a NATS server with JetStream on a free port; its messages are removed when it stops. */
export async function startNats() {
  const program = await natsServer();
  const folder = mkdtempSync(join(tmpdir(), "carillon-example-"));
  const args = ["-js", "-sd", folder, "-a", "127.0.0.1", "-p", "-1"];
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(child, "exit");
  const stop = async () => {
    child.kill("SIGTERM");
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    return { url: `nats://127.0.0.1:${await readPort(child, exited)}`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function readPort(child, exited) {
  let port;
  const ready = new Promise((resolve) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      port ??= /Listening for client connections on 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (line.includes("Server is ready")) resolve();
    });
  });
  await Promise.race([ready, exited]);
  if (!port) throw new SetupError("nats-server did not start.");
  return port;
}
