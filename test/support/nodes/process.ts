import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { cleanUp } from "../clean-up.js";
import { grpcVariables } from "./grpc-mount.js";

/** The built executable. */
export const PROGRAM = join(__dirname, "../../../dist/src/bin.js");

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly environment?: NodeJS.ProcessEnv;
  readonly folder?: string;
  /** Maximum number of files that it may have open. */
  readonly openFiles?: number;
  /** Executable of another version. */
  readonly program?: string;
  /** Receives the process of a node that starts. */
  readonly onSpawn?: (child: ChildProcess) => void;
}

/** Runs the built executable until it ends. */
export async function runCarillon(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = spawnCarillon(args, options);
  child.stdin?.end(options.input ?? "");
  const [stdout, stderr, [code]] = await Promise.all([
    outputOf(child.stdout),
    outputOf(child.stderr),
    once(child, "close"),
  ]);
  return { code: code as number | null, stdout, stderr };
}

export interface RunningNode {
  readonly child: ChildProcess;
  readonly http: string;
  readonly ws: string;
  readonly grpc: string;
  /** Records of its log so far. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  /** Resolves when a record with this text comes, or has come. Rejects when the log ends before. */
  readonly logged: (message: string) => Promise<Readonly<Record<string, unknown>>>;
  /** Output on stderr; resolves when the process has ended. */
  readonly stderr: Promise<string>;
  /** Resolves with the exit code. */
  readonly exited: Promise<number | null>;
}

/** Starts the built executable as a node on free ports and waits for its "ready" record. */
export async function startCarillon(args: readonly string[] = [], options: RunOptions = {}): Promise<RunningNode> {
  const child = spawnCarillon(["serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", ...args], options);
  options.onSpawn?.(child);
  const exited = once(child, "exit").then(([code]) => code as number | null);
  cleanUp(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  const log: Readonly<Record<string, unknown>>[] = [];
  let onChange: (() => void)[] = [];
  let ended = false;
  const changed = (): void => {
    const waiting = onChange;
    onChange = [];
    for (const wake of waiting) wake();
  };
  if (child.stdout === null) throw new Error("no output");
  createInterface({ input: child.stdout })
    .on("line", (line) => {
      log.push(JSON.parse(line) as Readonly<Record<string, unknown>>);
      changed();
    })
    .on("close", () => {
      ended = true;
      changed();
    });
  const stderr = outputOf(child.stderr);
  const logged = async (message: string): Promise<Readonly<Record<string, unknown>>> => {
    for (;;) {
      const known = log.find(({ msg }) => msg === message);
      if (known !== undefined) return known;
      if (ended) throw new Error(`carillon has ended without logging "${message}"`);
      await new Promise<void>((resolve) => onChange.push(resolve));
    }
  };
  const ready = await Promise.race([logged("ready").catch(() => exited), exited]);
  if (ready === null || typeof ready !== "object") throw new Error(`carillon ended with ${ready}: ${await stderr}`);
  const http = String(ready["http"]);
  return { child, http, ws: http.replace("http", "ws"), grpc: String(ready["grpc"]), log, logged, stderr, exited };
}

function spawnCarillon(args: readonly string[], options: RunOptions): ChildProcess {
  const { environment = {}, folder, openFiles, program = PROGRAM } = options;
  const limited = openFiles === undefined ? [] : ["sh", "-c", `ulimit -n ${openFiles}; exec "$0" "$@"`];
  const [command = process.execPath, ...rest] = [...limited, process.execPath, program, ...args];
  return spawn(command, rest, {
    env: { PATH: process.env["PATH"], ...grpcVariables, ...environment },
    ...(folder === undefined ? {} : { cwd: folder }),
    stdio: "pipe",
  });
}

function outputOf(stream: NodeJS.ReadableStream | null): Promise<string> {
  return stream === null ? Promise.resolve("") : text(stream);
}
