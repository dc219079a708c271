import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ConfigInput } from "../../../src/index.js";
import { startJetStream } from "../nats/store.js";
import { temporaryFolder } from "../temporary-files.js";
import { startNode, type TestNode } from "./node.js";
import { type RunningNode, startCarillon } from "./process.js";

/** Nodes that share a NATS server: messages, words between nodes, and what is kept. */
export class AccessCluster {
  readonly #config: ConfigInput;

  constructor(url: string, config: ConfigInput) {
    this.#config = {
      brokers: { nats: { driver: "nats", servers: [url] } },
      store: { driver: "nats" },
      ...config,
    };
  }

  startNode(): Promise<TestNode> {
    return startNode(this.#config);
  }

  /** A node in a process of its own, that can be killed. */
  startProcess(): Promise<RunningNode> {
    return startConfigured(this.#config);
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
