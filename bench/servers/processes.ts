import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { answer } from "../support/child.js";

/** Runs `carillon serve` with several processes, and reads the CPU time and memory of all of them. Linux only. */

/** Clock ticks of /proc per second. Source: proc(5); the same on all common systems. */
const TICKS = 100;
const PAGE = 4_096;

const folder = mkdtempSync(join(tmpdir(), "carillon-bench-"));
let server: ChildProcess | undefined;

process.on("exit", () => {
  // The group has the processes, too.
  if (server?.pid !== undefined) process.kill(-server.pid, "SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});
process.on("SIGTERM", () => process.exit());

answer({
  async start({ nats, processes }: { readonly nats: string; readonly processes: number }) {
    const file = join(folder, "carillon.yaml");
    const settings = {
      http: "127.0.0.1:0",
      grpc: "127.0.0.1:0",
      processes,
      brokers: { nats: { driver: "nats", servers: [nats], prefix: `bench-${processes}` } },
      store: { driver: "nats", bucket: `bench-${processes}` },
    };
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(settings));
    const program = fileURLToPath(new URL("../../src/bin.js", import.meta.url));
    server = spawn(process.execPath, [program, "serve", "--config", file], {
      stdio: ["ignore", "pipe", "inherit"],
      detached: true,
    });
    const { http, grpc } = await readReady(server);
    return { port: Number(new URL(http).port), grpc };
  },

  cpu: () => sum((pid) => (readStat(pid, 11) + readStat(pid, 12)) * (1_000_000 / TICKS)),

  writes: () => sum((pid) => Number(/^syscw: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1] ?? 0)),

  memory: () => ({ resident: sum((pid) => readStat(pid, 21) * PAGE), heap: 0 }),

  end() {
    process.exit();
  },
});

async function readReady({ stdout }: ChildProcess): Promise<{ readonly http: string; readonly grpc: string }> {
  if (stdout === null) throw new Error("carillon has no output");
  for await (const line of createInterface({ input: stdout })) {
    const { grpc, http, msg } = JSON.parse(line) as Readonly<Record<string, string>>;
    if (msg !== "ready") continue;
    stdout.resume();
    return { http: http ?? "", grpc: grpc ?? "" };
  }
  throw new Error("carillon ended");
}

/** Adds a figure of the primary process and of its processes. */
function sum(read: (pid: number) => number): number {
  const primary = server?.pid ?? 0;
  const workers = readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && isChild(pid, primary));
  return [primary, ...workers].reduce((total, pid) => total + read(pid), 0);
}

function isChild(pid: number, parent: number): boolean {
  try {
    return readStat(pid, 1) === parent;
  } catch {
    return false;
  }
}

/** Reads a figure of /proc/PID/stat. @param field - position after the name and state, from 0 for the state */
function readStat(pid: number, field: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[field]);
}
