import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findFreePorts } from "../../support/ports.js";
import { Link } from "./link.js";
import type { NatsCluster } from "./nats-cluster.js";
import { LoggedProcess } from "./processes.js";

const PROGRAM = fileURLToPath(new URL("../../../src/bin.js", import.meta.url));

/** Settings of a node: the members of the configuration besides addresses and brokers. */
export type NodeSettings = Readonly<Record<string, unknown>>;

/** Node that runs the built program, with a link of its own to each NATS server. It keeps its ports when it is restarted. */
export class ChaosNode {
  readonly name: string;
  readonly http: string;
  readonly grpc: string;
  readonly #links: readonly Link[];
  readonly #config: string;
  #process: LoggedProcess | undefined;

  private constructor(name: string, ports: readonly number[], links: readonly Link[], config: string) {
    this.name = name;
    this.http = `127.0.0.1:${ports[0]}`;
    this.grpc = `127.0.0.1:${ports[1]}`;
    this.#links = links;
    this.#config = config;
  }

  /** @param position - number of the node; its first connection goes to the server with this number */
  static async create(
    position: number,
    { servers }: NatsCluster,
    folder: string,
    settings: NodeSettings,
  ): Promise<ChaosNode> {
    const links = await Promise.all(servers.map(({ port }) => Link.open(port)));
    const config = join(folder, `node${position}.yaml`);
    const urls = links.map(({ port }) => `nats://127.0.0.1:${port}`);
    const brokers = { nats: { driver: "nats", servers: [...urls.slice(position), ...urls.slice(0, position)] } };
    // JSON is YAML.
    writeFileSync(config, JSON.stringify({ brokers, stop_timeout: "3s", drain: { spread: "1s" }, ...settings }));
    return new ChaosNode(`node${position}`, await findFreePorts(2), links, config);
  }

  /** Resolves when the node serves. */
  async start(): Promise<void> {
    const args = [PROGRAM, "serve", "--config", this.#config, "--http", this.http, "--grpc", this.grpc];
    this.#process = new LoggedProcess(process.execPath, args);
    await this.#process.printed(/"msg":"ready"/);
  }

  /** Stops the node as an operator does. @param patience - milliseconds after which it is killed */
  async stop(patience?: number): Promise<void> {
    await this.#process?.end("SIGTERM", patience);
    this.#process = undefined;
  }

  async kill(): Promise<void> {
    await this.#process?.end("SIGKILL");
    this.#process = undefined;
  }

  /** Disconnects the node from all NATS servers. */
  cut(): void {
    for (const link of this.#links) link.cut();
  }

  heal(): void {
    for (const link of this.#links) link.heal();
  }

  /** Sums a counter of /metrics, by its labels' text. */
  async counter(name: string): Promise<ReadonlyMap<string, number>> {
    const text = await (await fetch(`http://${this.http}/metrics`)).text();
    const found = [...text.matchAll(new RegExp(`^${name}(\\{.*\\})? (\\S+)$`, "gm"))];
    return new Map(found.map(([, labels = "", value]) => [labels, Number(value)]));
  }

  /** Returns the first warnings and errors that the node has logged. */
  complaints(): readonly string[] {
    return this.#process?.linesOf(/"level":"(?:error|fatal)"/) ?? [];
  }

  async close(): Promise<void> {
    await this.kill();
    for (const link of this.#links) link.close();
  }
}
