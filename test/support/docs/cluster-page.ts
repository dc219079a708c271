import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { findFreePorts } from "../../../bench/support/ports.js";
import { packageRoot } from "../../../src/util/package-root.js";
import { Program } from "../nodes/program.js";
import type { Example } from "./examples.js";
import { patternOf } from "./examples.js";

/** Lines with which programs report that they serve. nginx reports nothing. */
const READY: Readonly<Record<string, RegExp>> = {
  "nats-server": /Server is ready/,
  prometheus: /Server is ready to receive web requests/,
};

/** Runs the examples of docs/cluster-setup.md in a folder that looks like a checkout. Ports are replaced by free ones. */
export class ClusterPage {
  readonly folder = mkdtempSync(join(tmpdir(), "carillon-cluster-"));
  /** Background programs, by the first word of their examples. */
  readonly programs = new Map<string, Program>();
  readonly #ports: ReadonlyMap<string, number>;

  private constructor(ports: ReadonlyMap<string, number>) {
    this.#ports = ports;
    for (const name of ["dist", "deploy"]) symlinkSync(join(packageRoot, name), join(this.folder, name));
  }

  /** @param examples - of the whole page */
  static async create(examples: readonly Example[]): Promise<ClusterPage> {
    const code = examples.map((example) => example.code).join("\n");
    const named = [...new Set([...code.matchAll(/127\.0\.0\.1:(\d+)/g)].map(([, port = ""]) => port))];
    const free = await findFreePorts(named.length);
    return new ClusterPage(new Map(named.map((port, position) => [port, free[position] ?? 0])));
  }

  /** HOST:PORT of this run for a port of the page. */
  addressOf(port: number): string {
    return `127.0.0.1:${this.#ports.get(String(port))}`;
  }

  /** Replaces the ports in code or output of the page. */
  real(text: string): string {
    return text
      .replaceAll(
        /(127\.0\.0\.1|localhost):(\d+)/g,
        (_, host: string, port: string) => `${host}:${this.#ports.get(port)}`,
      )
      .replaceAll(/--port (\d+)/g, (_, port: string) => `--port ${this.#ports.get(port)}`);
  }

  /** Runs an example until it ends. @throws Error when it fails */
  async run({ code }: Example): Promise<string> {
    const program = this.#start(`exec 2>&1\n${this.real(code)}`);
    const exitCode = await program.gone;
    if (exitCode !== 0) throw new Error(`it ended with ${exitCode}:\n${program.printed}`);
    return program.printed.trimEnd();
  }

  /** Starts an example in the background; resolves when it has printed its output, or serves. */
  async startInBackground({ code, prints }: Example): Promise<void> {
    const [name = ""] = code.split(" ");
    const program = this.#start(`exec ${this.real(code)}`);
    this.programs.set(name, program);
    const ready = READY[name];
    if (ready !== undefined) await program.says(ready);
    if (prints !== undefined) await program.says(new RegExp(`^${patternOf(this.real(prints))}$`));
  }

  /** Reads a file that an example has written. */
  read(path: string): string {
    return readFileSync(join(this.folder, path), "utf8").trim();
  }

  async close(): Promise<void> {
    for (const program of this.programs.values()) await program.stop("SIGKILL");
    for (const name of readdirSync(join(this.folder, "cluster"))) {
      if (/^node\d\.pid$/.test(name)) kill(Number(this.read(`cluster/${name}`)));
    }
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  #start(script: string): Program {
    const { NATS_SERVER: nats, PATH: path = "" } = process.env;
    const folders = [...(nats === undefined ? [] : [dirname(nats)]), path, "/usr/sbin"];
    return new Program("sh", ["-ec", script], {
      folder: this.folder,
      environment: { PATH: folders.join(delimiter), HOME: this.folder },
    });
  }
}

function kill(id: number): void {
  try {
    process.kill(id, "SIGKILL");
  } catch {
    // It has ended.
  }
}
