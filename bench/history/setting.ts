import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HistoryClass } from "../../src/core/history.js";
import type { ConfigInput } from "../../src/index.js";
import { type Node, nodeContender, startNode } from "../support/carillon.js";
import type { Contender } from "../support/contender.js";
import { startNats } from "../support/nats.js";

/** Topic without history. All others have history. */
export const PLAIN_TOPIC = 0;

/** A topic with history, with sessions in it. */
export const STORED_TOPIC = 1;

/** Name of the history class of the stored topics. */
export const HISTORY_CLASS = "log";

/** The class as nodes read it from the configuration below. */
export const HISTORY_SETTINGS: HistoryClass = {
  name: HISTORY_CLASS,
  messages: 2_000,
  age: 3_600_000,
  bytes: 512 * 1_024 * 1_024,
  topicBytes: undefined,
  storage: "file",
  replicas: 1,
  deduplication: 120_000,
};

/** Two nodes that share a nats-server with JetStream. Backends publish at one, clients are connected to the other. */
export interface HistorySetting {
  readonly natsUrl: string;
  readonly delivering: Node;
  readonly contender: Contender;
  readonly stop: () => Promise<void>;
}

/**
 * Starts the NATS server and the nodes.
 * @param profiles - folder for CPU profiles; undefined for none
 */
export async function startHistorySetting(profiles: string | undefined): Promise<HistorySetting> {
  const folder = mkdtempSync(join(tmpdir(), "carillon-bench-"));
  const server = await startNats(["-js", "-sd", folder]);
  const { age, bytes, messages } = HISTORY_SETTINGS;
  const config: ConfigInput = {
    brokers: { nats: { driver: "nats", servers: [server.url] } },
    vhosts: {
      "/": {
        history: { [HISTORY_CLASS]: { messages, age: `${age}ms`, bytes: String(bytes) } },
        default_history: HISTORY_CLASS,
        topics: [{ match: `t${PLAIN_TOPIC}`, history: "off" }],
      },
    },
  };
  const publishing = await startNode({ config });
  const delivering = await startNode({ config, profiles });
  const contender = nodeContender("carillon", delivering, { profiles, publishAt: publishing.grpc });
  return {
    natsUrl: server.url,
    delivering,
    contender,
    async stop() {
      await Promise.all([contender.stop(), publishing.child.stop()]);
      server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
