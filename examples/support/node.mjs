import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { bin } from "../../scripts/lib/build.mjs";
import { root } from "../../scripts/lib/paths.mjs";
import { SetupError, say } from "../../scripts/lib/say.mjs";

/**
 * Starts a node with the `carillon.yaml` of a folder, in a process of its own.
 *
 * @returns `webSocket` and `grpc`, the URLs of the node; `restart` and `stop`; `ended`, which settles when the node ends by
 *   itself: it resolves if the node was told to stop, for example by a signal to all processes
 * @throws SetupError if it does not start
 */
export async function startNode(folder, { http, grpc, broker }) {
  const config = fileURLToPath(new URL("carillon.yaml", folder));
  const addresses = { http, grpc };
  let child;
  let isStopping = false;
  let settle;
  const ended = new Promise((resolve, reject) => {
    settle = (code) => (code === 0 ? resolve() : reject(new SetupError(`the node has ended (exit code ${code}).`)));
  });
  ended.catch(() => {});

  const start = async () => {
    isStopping = false;
    const args = ["serve", "--config", config, "--http", addresses.http, "--grpc", addresses.grpc];
    if (broker) args.push("--broker", broker);
    const started = spawn(process.execPath, [bin, ...args], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
    child = started;
    const ready = await readyRecord(started);
    addresses.http = new URL(ready.http).host;
    addresses.grpc = ready.grpc;
    void once(started, "exit").then(([code]) => {
      if (!isStopping) settle(code);
    });
  };
  const stop = async () => {
    isStopping = true;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
  };

  await start();
  return {
    webSocket: `ws://${addresses.http}/ws`,
    grpc: `grpc://${addresses.grpc}`,
    ended,
    stop,
    async restart() {
      await stop();
      await start();
    },
  };
}

/** Reads a node's log: shows warnings and errors, and resolves with the record that has the addresses. */
function readyRecord(child) {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const record = JSON.parse(line);
      if (record.msg === "ready") resolve(record);
      const { err, level, msg } = record;
      if (["warn", "error", "fatal"].includes(level)) say(`node: ${msg}${err ? ` (${err.message})` : ""}`);
    });
    child.once("exit", (code) =>
      reject(
        new SetupError(`the node did not start (exit code ${code}). Other ports: --http HOST:PORT, --grpc HOST:PORT.`),
      ),
    );
  });
}
