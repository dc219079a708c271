import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { NatsServer } from "../nats/server.js";
import { startJetStream } from "../nats/store.js";
import { temporaryFolder } from "../temporary-files.js";
import { PROGRAM, type RunningNode, startCarillon } from "./process.js";

export interface Processes {
  readonly node: RunningNode;
  readonly nats: NatsServer;
  /** Replaces the configuration file. */
  readonly write: (yaml: string) => void;
}

/** Starts several processes on a NATS server with JetStream. @param yaml - further settings */
export async function startProcesses(count: number, yaml = ""): Promise<Processes> {
  const nats = await startJetStream();
  const folder = temporaryFolder();
  const base = `processes: ${count}\nbrokers: { nats: { driver: nats, servers: ["${nats.url}"] } }\nstore: { driver: nats }\n`;
  const write = (text: string): void => writeFileSync(join(folder, "carillon.yaml"), base + text);
  write(yaml);
  return { node: await startCarillon([], { folder }), nats, write };
}

/** Lists the process ids of a node's processes, the oldest first. */
export async function listNodeProcesses({ child }: Pick<RunningNode, "child">): Promise<number[]> {
  const { stdout } = await promisify(execFile)("ps", ["-eo", "pid=,ppid=,args="]);
  return stdout.split("\n").flatMap((line) => {
    const [, pid, parent, args = ""] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return Number(parent) === child.pid && args.includes(PROGRAM) ? [Number(pid)] : [];
  });
}

/** Kills a process, and resolves when another one runs in its place. */
export async function replaceNodeProcess(node: RunningNode, pid: number): Promise<void> {
  const count = (await listNodeProcesses(node)).length;
  process.kill(pid, "SIGKILL");
  for (;;) {
    const pids = await listNodeProcesses(node);
    if (!pids.includes(pid) && pids.length === count) return;
  }
}
