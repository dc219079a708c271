import {
  accessSync,
  constants,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import { WebSocket } from "ws";
import { packageRoot } from "../../../src/util/package-root.js";
import { TestClient } from "../clients/native.js";
import { NatsServer } from "../nats/server.js";
import { Program } from "../nodes/program.js";
import type { Example } from "./examples.js";

/** For the listener for browsers: Node 20 has no WebSocket of its own. */
const WEB_SOCKET = `
import { WebSocket } from "ws";
// A browser's own never throws what nobody listens for: the close event follows, and tells.
globalThis.WebSocket ??= class extends WebSocket {
  constructor(...url) {
    super(...url);
    this.on("error", () => {});
  }
};
`;

const JOINED = /^(?:joined hello|carillon: listening to hello)$/;

/**
 * Runs examples in a temporary folder that looks like a checkout: the built executable, the generated code, the proto
 * files and every package, `carillon` itself among them.
 *
 * Ports are substituted. The node takes free ones (CARILLON_HTTP and CARILLON_GRPC), and keeps them when it is started
 * again; in code and in expected output 127.0.0.1:8080, :6001, :7001 and :4222 become those of the node, the backend that
 * it asks, and the nats-server.
 */
export class ExampleRunner {
  readonly nats = new NatsServer();
  /** What is running in the background, by its first line. */
  readonly listeners = new Map<string, Program>();
  readonly #folder = createCheckout();
  #node: Program | undefined;
  #client: TestClient | undefined;
  readonly #background: Program[] = [];
  #http = "127.0.0.1:0";
  #grpc = "127.0.0.1:0";
  #backend = "127.0.0.1:0";

  /** URL of the node's HTTP port. */
  get http(): string {
    return `http://${this.#http}`;
  }

  /** A plain WebSocket client that has joined hello. */
  get client(): TestClient {
    if (this.#client === undefined) throw new Error("there is no client before there is a node");
    return this.#client;
  }

  /** Ends the node gracefully, as Ctrl+C does. @returns its exit code; 0 where there was none */
  async stopNode(): Promise<number | null> {
    return this.#node === undefined ? 0 : this.#node.stop("SIGINT");
  }

  /** Starts a node; resolves when it is ready and every listener of the one before has joined again. */
  async startNode(command: string): Promise<Program> {
    const before = [...this.listeners.values()].map((listener) => ({ listener, joined: listener.count(JOINED) }));
    this.#node = this.#start("sh", ["-c", `exec ${this.real(command)}`]);
    const ready = await this.#node.says(/"http":"http:\/\/([^"]+)","grpc":"([^"]+)",.*"msg":"ready"/);
    this.#http = ready[1] ?? "";
    this.#grpc = ready[2] ?? "";
    this.#client = new TestClient(new WebSocket(`ws://${this.#http}/ws`));
    await new Promise((resolve) => this.#client?.webSocket.once("open", resolve));
    await this.#client.join("hello");
    for (const { joined, listener } of before) await listener.says(JOINED, joined + 1);
    return this.#node;
  }

  /** Starts a listener; resolves when it has joined. */
  async startListener({ code, file, language }: Example): Promise<void> {
    const [firstLine = ""] = code.split("\n");
    const listener =
      language === "js" ? this.#startForBrowser(file, code) : this.#start("sh", ["-c", `exec ${this.real(code)}`]);
    this.listeners.set(firstLine, listener);
    await listener.says(JOINED);
  }

  /** Starts a backend that nodes ask; resolves when it can be asked. */
  async startBackend({ code, file }: Example): Promise<void> {
    const backend = this.#startModule(file, code.replace("listen(7001", "listen(0"));
    this.#background.push(backend);
    const [, port] = await backend.says(/^asked on port (\d+)$/);
    this.#backend = `127.0.0.1:${port}`;
  }

  /** Starts a worker; resolves when the node that is running has let it in. */
  async startWorker({ code, file }: Example): Promise<void> {
    const worker = this.#startModule(file, code);
    this.#background.push(worker);
    await worker.says(/^at work$/);
  }

  /** Runs an example to its end. */
  async run({ code, file, language }: Example): Promise<string> {
    if (language === "yaml") {
      this.#write(file, code);
      return "";
    }
    const program =
      language === "js" ? this.#startModule(file, code) : this.#start("sh", ["-ec", `exec 2>&1\n${this.real(code)}`]);
    const exitCode = await program.gone;
    if (exitCode !== 0) throw new Error(`it ended with ${exitCode}:\n${program.printed}`);
    return program.printed;
  }

  /** Code or output of the page, with the ports of this run. */
  real(text: string): string {
    return text
      .replaceAll("127.0.0.1:8080", this.#http)
      .replaceAll("127.0.0.1:6001", this.#grpc)
      .replaceAll("127.0.0.1:7001", this.#backend)
      .replaceAll("127.0.0.1:4222", `127.0.0.1:${this.nats.port}`);
  }

  async close(): Promise<void> {
    this.#client?.webSocket.terminate();
    for (const program of [...this.listeners.values(), ...this.#background]) await program.stop("SIGKILL");
    await this.#node?.stop("SIGKILL");
    await this.nats.remove();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #write(file: string | undefined, text: string): string {
    const path = join(this.#folder, file ?? "unnamed");
    writeFileSync(path, this.real(text));
    return path;
  }

  #startModule(file: string | undefined, code: string): Program {
    return this.#start(process.execPath, [this.#write(file, code)]);
  }

  #startForBrowser(file: string | undefined, code: string): Program {
    const webSocket = pathToFileURL(join(this.#folder, "web-socket.mjs")).href;
    return this.#start(process.execPath, ["--import", webSocket, this.#write(file, code)]);
  }

  #start(command: string, args: readonly string[]): Program {
    const environment = { PATH: process.env["PATH"], CARILLON_HTTP: this.#http, CARILLON_GRPC: this.#grpc };
    return new Program(command, args, { folder: this.#folder, environment });
  }
}

/** Whether a program is on the PATH. */
export function isInstalled(name: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function createCheckout(): string {
  const folder = mkdtempSync(join(tmpdir(), "carillon-readme-"));
  const modules = join(packageRoot, "node_modules");
  mkdirSync(join(folder, "node_modules"));
  for (const name of readdirSync(modules)) symlinkSync(join(modules, name), join(folder, "node_modules", name));
  symlinkSync(packageRoot, join(folder, "node_modules", "carillon"));
  symlinkSync(join(packageRoot, "dist"), join(folder, "dist"));
  cpSync(join(packageRoot, "proto"), join(folder, "proto"), { recursive: true });
  writeFileSync(join(folder, "web-socket.mjs"), WEB_SOCKET);
  return folder;
}
