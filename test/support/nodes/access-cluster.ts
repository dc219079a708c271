import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ConfigInput } from "../../../src/index.js";
import { startJetStream } from "../nats/store.js";
import { temporaryFolder } from "../temporary-files.js";
import { knowEachOther } from "./metrics.js";
import { startNode, type TestNode } from "./node.js";
import { type RunningNode, startCarillon } from "./process.js";

/** Nodes that share a NATS server: messages, words between nodes, and what is kept. */
export class AccessCluster {
  readonly #config: ConfigInput;
  readonly #started: Pick<TestNode, "http">[] = [];

  constructor(url: string, config: ConfigInput) {
    this.#config = {
      brokers: { nats: { driver: "nats", servers: [url] } },
      store: { driver: "nats" },
      ...config,
    };
  }

  async startNode(): Promise<TestNode> {
    return this.#known(await startNode(this.#config));
  }

  /** A node in a process of its own, that can be killed. */
  async startProcess(): Promise<RunningNode> {
    return this.#known(await startConfigured(this.#config));
  }

  /** Resolves when the earlier nodes, which must still run, and the new one know each other. */
  async #known<Node extends Pick<TestNode, "http">>(node: Node): Promise<Node> {
    this.#started.push(node);
    await knowEachOther(this.#started);
    return node;
  }
}

/** On a nats-server of its own. */
export async function startCluster(config: ConfigInput = {}): Promise<AccessCluster> {
  const { url } = await startJetStream();
  return new AccessCluster(url, config);
}

/** The built executable with a configuration file. */
export function startConfigured(config: ConfigInput): Promise<RunningNode> {
  const file = join(temporaryFolder(), "carillon.yaml");
  // JSON is YAML.
  writeFileSync(file, JSON.stringify({ log: { format: "json" }, ...config }));
  return startCarillon(["--config", file]);
}
