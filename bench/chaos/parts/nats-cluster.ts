import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type JetStreamManager, type NatsConnection, NatsError, type StreamInfo } from "nats";
import { errorText } from "../../../src/util/native-error.js";
import { pause } from "../../support/pause.js";
import { findFreePorts } from "../../support/ports.js";
import { LoggedProcess } from "./processes.js";

const SIZE = 3;

/** Server of the cluster. It keeps its name, port and files when it is restarted. */
export class ClusterServer {
  readonly name: string;
  readonly port: number;
  readonly #config: string;
  #process: LoggedProcess | undefined;

  constructor(name: string, port: number, config: string) {
    this.name = name;
    this.port = port;
    this.#config = config;
  }

  async start(): Promise<void> {
    this.#process = new LoggedProcess(process.env["NATS_SERVER"] ?? "nats-server", ["-c", this.#config]);
    await this.#process.printed(/Server is ready/);
  }

  async kill(): Promise<void> {
    await this.#process?.end("SIGKILL");
    this.#process = undefined;
  }

  /** Stops the process without ending it. Its connections stay open, and silent. */
  freeze(): void {
    this.#process?.signal("SIGSTOP");
  }

  thaw(): void {
    this.#process?.signal("SIGCONT");
  }
}

/** Three nats-servers with JetStream. */
export class NatsCluster {
  readonly servers: readonly ClusterServer[];
  #connection: NatsConnection | undefined;

  private constructor(servers: readonly ClusterServer[]) {
    this.servers = servers;
  }

  /**
   * Starts the servers. JetStream is ready a few seconds later, as `untilReady` tells.
   * @param folder - for configurations and stored messages
   */
  static async start(folder: string): Promise<NatsCluster> {
    const ports = await findFreePorts(2 * SIZE);
    const routes = ports.slice(SIZE).map((port) => `nats-route://127.0.0.1:${port}`);
    const servers = routes.map((_, position) => {
      const name = `s${position}`;
      const file = join(folder, `${name}.conf`);
      const port = ports[position] ?? 0;
      // Nodes are not told of the other servers, so that each of their connections goes through a link that can be cut.
      writeFileSync(
        file,
        `server_name: ${name}
listen: "127.0.0.1:${port}"
jetstream: { store_dir: ${JSON.stringify(join(folder, name))}, max_mem: 256MB, max_file: 2GB }
cluster: { name: chaos, listen: "127.0.0.1:${ports[SIZE + position]}", no_advertise: true, routes: [${routes.join(", ")}] }
`,
      );
      return new ClusterServer(name, port, file);
    });
    const cluster = new NatsCluster(servers);
    await Promise.all(servers.map((server) => server.start()));
    return cluster;
  }

  /** Connection of the suite itself, which goes to the servers without links. */
  async connection(): Promise<NatsConnection> {
    this.#connection ??= await connect({
      servers: this.servers.map(({ port }) => `127.0.0.1:${port}`),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 200,
      pingInterval: 2_000,
    });
    return this.#connection;
  }

  async manager(): Promise<JetStreamManager> {
    return (await this.connection()).jetstreamManager({ checkAPI: false });
  }

  /** Returns the stream of a history class; undefined before a node has created it. */
  async stream(className: string): Promise<StreamInfo | undefined> {
    const manager = await this.manager();
    for await (const info of manager.streams.list()) {
      if (info.config.subjects.some((subject) => subject.startsWith(`carillon-history.${className}.`))) return info;
    }
    return undefined;
  }

  /** Resolves when a node has created the stream of a history class. */
  async untilCreated(className: string): Promise<void> {
    await this.eventually(() => this.stream(className), `the stream of ${className} is missing`);
  }

  /** Returns the sequence of the newest stored message of a history class; 0 for none. Servers that are busy may answer late. */
  lastSequence(className: string): Promise<number> {
    return this.eventually(() => this.#readLastSequence(className), `the end of ${className} cannot be read`);
  }

  async #readLastSequence(className: string): Promise<number> {
    const info = await this.stream(className);
    const [subject = ""] = info?.config.subjects ?? [];
    if (info === undefined || info.state.messages === 0) return 0;
    try {
      return (await (await this.manager()).streams.getMessage(info.config.name, { last_by_subj: subject })).seq;
    } catch (cause) {
      if (cause instanceof NatsError && cause.code === "404") return 0;
      throw cause;
    }
  }

  /** Finds the server that leads the stream of a history class. */
  async leader(className: string): Promise<ClusterServer> {
    return this.eventually(async () => {
      const name = (await this.stream(className))?.cluster?.leader;
      return this.servers.find((server) => server.name === name);
    }, `the stream of ${className} has no leader`);
  }

  /** Resolves when all replicas of a stream are current. */
  async untilCurrent(className: string): Promise<void> {
    await this.eventually(async () => {
      const cluster = (await this.stream(className))?.cluster;
      const replicas = cluster?.replicas ?? [];
      return cluster?.leader !== undefined && replicas.every(({ current }) => current) ? true : undefined;
    }, `the stream of ${className} is not replicated`);
  }

  async stop(): Promise<void> {
    await this.#connection?.close();
    for (const server of this.servers) server.thaw();
    await Promise.all(this.servers.map((server) => server.kill()));
  }

  /** Resolves when JetStream can create streams. */
  async untilReady(): Promise<void> {
    await this.eventually(async () => {
      const manager = await this.manager();
      await manager.streams.add({ name: "chaos-probe", subjects: ["chaos-probe"], num_replicas: SIZE });
      await manager.streams.delete("chaos-probe");
      return true;
    }, "JetStream does not start");
  }

  /** Repeats a look that fails or finds nothing yet, up to a minute. @throws Error with the fault */
  async eventually<T>(look: () => Promise<T | undefined>, fault: string): Promise<T> {
    const end = performance.now() + 60_000;
    let cause: unknown;
    while (performance.now() < end) {
      const found = await look().catch((error: unknown) => {
        cause = error;
        return undefined;
      });
      if (found !== undefined) return found;
      await pause(100);
    }
    throw new Error(`${fault}${cause === undefined ? "" : `: ${errorText(cause)}`}`);
  }
}
