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
import { keepAddress } from "../net/kept-address.js";
import { Program } from "../nodes/program.js";
import { type Example, patternOf } from "./examples.js";

/** Adds the WebSocket that code for browsers needs and Node 20 lacks. */
const WEB_SOCKET = `
import { WebSocket } from "ws";
// A browser's WebSocket throws no unhandled error event; the close event follows.
globalThis.WebSocket ??= class extends WebSocket {
  constructor(...url) {
    super(...url);
    this.on("error", () => {});
  }
};
`;

const JOINED = /^(?:joined hello|carillon: listening to hello)$/;

/** Addresses in examples, by listener. Each is replaced by one with a free port. */
const ADDRESSES = {
  http: "127.0.0.1:8080",
  grpc: "127.0.0.1:6001",
  secondHttp: "127.0.0.1:8090",
  secondGrpc: "127.0.0.1:6091",
  admin: "127.0.0.1:9090",
  webrocketBackend: "127.0.0.1:8081",
  webrocketAdmin: "127.0.0.1:8082",
  roadrunner: "127.0.0.1:6002",
  backend: "127.0.0.1:7001",
  nats: "127.0.0.1:4222",
} as const;

type Listener = keyof typeof ADDRESSES;

/**
 * Runs examples in a temporary folder that looks like a checkout: the built executable, the generated code, the proto
 * files and every package, `carillon` itself among them.
 *
 * Addresses are substituted in code and in expected output. A program that is started again has the same ones.
 */
export class ExampleRunner {
  readonly nats = new NatsServer();
  /** Background programs, by their first line. */
  readonly listeners = new Map<string, Program>();
  readonly #folder = createCheckout();
  #node: Program | undefined;
  #client: TestClient | undefined;
  readonly #background: Program[] = [];
  readonly #addresses: ReadonlyMap<Listener, string>;

  private constructor(addresses: ReadonlyMap<Listener, string>) {
    this.#addresses = addresses;
  }

  static async create(): Promise<ExampleRunner> {
    const names = Object.keys(ADDRESSES) as Listener[];
    return new ExampleRunner(
      new Map(await Promise.all(names.map(async (name) => [name, await keepAddress()] as const))),
    );
  }

  /** URL of the node's HTTP port. */
  get http(): string {
    return `http://${this.#address("http")}`;
  }

  /** Plain WebSocket client that has joined hello. */
  get client(): TestClient {
    if (this.#client === undefined) throw new Error("no client before joinHello()");
    return this.#client;
  }

  /** Stops the node gracefully, like Ctrl+C. @returns its exit code; 0 if none was running */
  async stopNode(): Promise<number | null> {
    return this.#node === undefined ? 0 : this.#node.stop("SIGINT");
  }

  /** Starts a node; resolves when it is ready and every listener of the previous node has joined again. */
  async startNode(command: string): Promise<Program> {
    const before = [...this.listeners.values()].map((listener) => ({ listener, joined: listener.count(JOINED) }));
    this.#node = this.#start("sh", ["-c", `exec ${this.real(command)}`]);
    await isReady(this.#node);
    for (const { joined, listener } of before) if (joined > 0) await listener.says(JOINED, joined + 1);
    return this.#node;
  }

  /** Starts a second node. */
  async startSecondNode(command: string): Promise<void> {
    const node = this.#start("sh", ["-c", `exec ${this.real(command)}`]);
    this.#background.push(node);
    await isReady(node);
  }

  /** Connects `client` to the node and joins hello. */
  async joinHello(): Promise<void> {
    const client = new TestClient(new WebSocket(`ws://${this.#address("http")}/ws`));
    this.#client = client;
    await new Promise((resolve) => client.webSocket.once("open", resolve));
    await client.join("hello");
  }

  /** Starts a listener; resolves when it has joined hello. */
  async startListener(example: Example): Promise<void> {
    await this.#startBackground(example).says(JOINED);
  }

  /** Starts a program in the background; resolves when it has printed its example's output. */
  async startBackground(example: Example): Promise<void> {
    await this.#startBackground(example).says(new RegExp(`^${patternOf(this.real(example.prints ?? ""))}$`));
  }

  /** Starts a backend; resolves when it accepts requests. */
  async startBackend({ code, file }: Example): Promise<void> {
    const [, port] = this.#address("backend").split(":");
    const backend = this.#startModule(file, code.replace("listen(7001", `listen(${port}`));
    this.#background.push(backend);
    await backend.says(/^(?:asked|listening) on port \d+$/);
  }

  /** Runs an example until it exits. */
  async run({ code, file, language }: Example): Promise<string> {
    if (["yaml", "html", "tsx"].includes(language)) {
      this.#write(file, code);
      return "";
    }
    const program =
      language === "js"
        ? this.#startForBrowser(file, code)
        : this.#start("sh", ["-ec", `exec 2>&1\n${this.real(code)}`]);
    const exitCode = await program.gone;
    if (exitCode !== 0) throw new Error(`it ended with ${exitCode}:\n${program.printed}`);
    return program.printed;
  }

  /** Replaces the ports in code or output of the page by those of this run. */
  real(text: string): string {
    return text.replaceAll(/127\.0\.0\.1:\d+/g, (address) => {
      const found = Object.entries(ADDRESSES).find(([, standing]) => standing === address);
      return found === undefined ? address : this.#address(found[0] as Listener);
    });
  }

  async close(): Promise<void> {
    this.#client?.webSocket.terminate();
    for (const program of [...this.listeners.values(), ...this.#background]) await program.stop("SIGKILL");
    await this.#node?.stop("SIGKILL");
    await this.nats.remove();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #address(name: Listener): string {
    return (name === "nats" ? undefined : this.#addresses.get(name)) ?? `127.0.0.1:${this.nats.port}`;
  }

  #startBackground({ code, file, language }: Example): Program {
    const [firstLine = ""] = code.split("\n");
    const program =
      language === "js" ? this.#startForBrowser(file, code) : this.#start("sh", ["-c", `exec ${this.real(code)}`]);
    this.listeners.set(firstLine, program);
    return program;
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
    const environment = {
      PATH: process.env["PATH"],
      CARILLON_HTTP: this.#address("http"),
      CARILLON_GRPC: this.#address("grpc"),
      CARILLON_SERVER: `http://${this.#address("http")}`,
    };
    return new Program(command, args, { folder: this.#folder, environment });
  }
}

/** Resolves when a node is ready. */
async function isReady(node: Program): Promise<void> {
  await node.says(/^\{.*"msg":"ready".*\}$/);
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
