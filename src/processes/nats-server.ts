import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve as resolvePath } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import { reservePort } from "../net/reserve-port.js";
import type { Logger } from "../observe/log.js";
import { FolderLock } from "../store/lock.js";
import { errorText } from "../util/native-error.js";
import { withResolvers } from "../util/with-resolvers.js";
import { RestartDelays } from "./restart-delays.js";

/** Number of restarts in a row with short runs, after which the server is not started again. */
const MAX_FAILURES = 5;
/** Time that the server has to stop before it is killed, in milliseconds. */
const STOP_TIMEOUT = 30_000;
/** Interval of checks whether a process has ended, in milliseconds. */
const CHECK_INTERVAL = 50;

const MIB = 1_024 * 1_024;
/** Range of NATS's `max_payload`, in bytes. */
const MIN_PAYLOAD = 8 * MIB;
const MAX_PAYLOAD = 64 * MIB;

export interface NatsServerOptions {
  /** Path or name of the program. */
  readonly program: string;
  /** Folder for its data, which is created if needed. */
  readonly folder: string;
  /** Largest payload of a message, in bytes. */
  readonly payload: number;
  readonly log: Logger;
  readonly clock: Clock;
  /** Called when the server has ended too often and is not started again. */
  readonly onFailed: (error: CarillonError) => void;
}

/**
 * A nats-server with JetStream as a child process, on a free port of loopback, with a token that only this process knows. It is
 * started again when it ends unexpectedly.
 */
export class NatsServerProcess {
  readonly #options: NatsServerOptions;
  readonly #folder: string;
  readonly #token = randomBytes(24).toString("hex");
  readonly #delays: RestartDelays;
  #lock: FolderLock | undefined;
  #child: ChildProcess | undefined;
  /** Resolves when the child has ended. */
  #ended: Promise<void> = Promise.resolve();
  /** Port of all starts. */
  #port = 0;
  #stopping = false;

  constructor(options: NatsServerOptions) {
    this.#options = options;
    this.#folder = resolvePath(options.folder);
    this.#delays = new RestartDelays(options.clock);
  }

  /**
   * Starts the server. Resolves with its URL when it accepts connections.
   * @throws CarillonError failed_precondition: the folder is in use, or the server cannot be started
   */
  async start(): Promise<string> {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    this.#lock = await FolderLock.take(this.#folder);
    try {
      await this.#endOrphan();
      this.#port = (await reservePort({ host: "127.0.0.1", port: 0 })).port;
      await this.#spawn();
    } catch (error) {
      await this.stop();
      throw error;
    }
    return `nats://${this.#token}@127.0.0.1:${this.#port}`;
  }

  /** Stops the server gracefully, and releases the folder. Never rejects. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#delays.cancel();
    this.#child?.kill("SIGTERM");
    const cancel = this.#options.clock.after(STOP_TIMEOUT, () => {
      this.#child?.kill("SIGKILL");
    });
    await this.#ended;
    cancel();
    await this.#lock?.release();
    this.#lock = undefined;
  }

  /** Kills the server at once. */
  kill(): void {
    this.#stopping = true;
    this.#child?.kill("SIGKILL");
  }

  async #spawn(): Promise<void> {
    const file = join(this.#folder, "nats.conf");
    writeFileSync(file, this.#formatConfig(), { mode: 0o600 });
    const { program } = this.#options;
    // A group of its own: Ctrl+C on a terminal must not end it before this process has stopped.
    const child = spawn(program, ["-c", file], { stdio: ["ignore", "ignore", "pipe"], detached: true });
    this.#child = child;
    this.#delays.begin();
    const { promise: ready, reject, resolve } = withResolvers<void>();
    const { promise: ended, resolve: end } = withResolvers<void>();
    this.#ended = ended;
    let isReady = false;
    let lastProblem = "";
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (/\[(?:ERR|FTL|WRN)\]|^nats-server: /.test(line)) {
        lastProblem = line;
        this.#options.log.warn({ nats: line }, "nats-server reports a problem");
      } else {
        this.#options.log.debug({ nats: line }, "nats-server");
      }
      if (line.includes("Server is ready")) {
        isReady = true;
        resolve();
      }
    });
    child.once("error", (cause) => {
      this.#child = undefined;
      end();
      const hint = "install it, or name it in NATS_SERVER";
      reject(new CarillonError("failed_precondition", `cannot run ${program}: ${errorText(cause)}; ${hint}`));
    });
    child.once("exit", (code, signal) => {
      this.#child = undefined;
      end();
      const text = `nats-server ended with ${signal ?? `code ${code}`}${lastProblem === "" ? "" : `: ${lastProblem}`}`;
      const error = new CarillonError("failed_precondition", text);
      if (isReady) this.#afterExit(error);
      else reject(error);
    });
    await ready;
  }

  #afterExit(error: CarillonError): void {
    const { log, onFailed } = this.#options;
    if (this.#stopping) return;
    const delay = this.#delays.next();
    if (this.#delays.failures > MAX_FAILURES) {
      onFailed(error);
      return;
    }
    log.error({ reason: error.message, delay }, "nats-server ended unexpectedly, starting it again");
    this.#delays.wait(delay, () => {
      void this.#spawnAgain();
    });
  }

  async #spawnAgain(): Promise<void> {
    try {
      await this.#spawn();
      this.#options.log.info("nats-server restarted");
    } catch (cause) {
      this.#afterExit(CarillonError.from(cause));
    }
  }

  #formatConfig(): string {
    const payload = Math.min(MAX_PAYLOAD, Math.max(MIN_PAYLOAD, this.#options.payload + MIB));
    return [
      `listen: "127.0.0.1:${this.#port}"`,
      `authorization { token: "${this.#token}" }`,
      `max_payload: ${payload}`,
      `max_pending: ${2 * MAX_PAYLOAD}`,
      `pid_file: ${JSON.stringify(this.#pidFile)}`,
      `jetstream { store_dir: ${JSON.stringify(this.#folder)} }`,
      "",
    ].join("\n");
  }

  get #pidFile(): string {
    return join(this.#folder, "nats.pid");
  }

  /** Ends the server of a process that was killed, and could not stop it. Its folder is no longer locked. */
  async #endOrphan(): Promise<void> {
    const pid = readPid(this.#pidFile);
    if (pid === undefined || !this.#isServer(pid)) return;
    this.#options.log.warn({ pid }, "stopping the nats-server of a carillon process that was killed");
    process.kill(pid, "SIGTERM");
    while (this.#isServer(pid)) await wait(CHECK_INTERVAL);
  }

  /** Whether a process is a nats-server with this folder. */
  #isServer(pid: number): boolean {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(join(this.#folder, "nats.conf"));
    } catch {
      return false;
    }
  }
}

function readPid(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, "utf8").trim());
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}
