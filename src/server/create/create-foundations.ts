import { randomBytes } from "node:crypto";
import type { Config } from "../../config/schema.js";
import { ByteBudget } from "../../net/byte-budget.js";
import { LimitedLog } from "../../observe/limited-log.js";
import { ProcessLoad } from "../../observe/process-load.js";
import { AnswerBudget } from "../../rpc/answer-budget.js";
import type { Store } from "../../store/store.js";
import { createTracing, type Tracing } from "../../tracing/tracing.js";
import { packageVersion } from "../../util/package-root.js";
import { systemClock } from "../../util/system-clock.js";
import { type ClusterRuntime, createCluster } from "./create-cluster.js";
import { type ClusterServices, createClusterServices } from "./create-cluster-services.js";
import { createStore } from "./create-store.js";
import type { NodeContext } from "./node-context.js";

/** The parts of a node that all others build on. */
export interface Foundations {
  /** Id of this node, unique in the cluster. */
  readonly node: string;
  readonly limitedLog: LimitedLog;
  /** Undefined if traces are not recorded. */
  readonly tracing: Tracing | undefined;
  readonly processLoad: ProcessLoad;
  readonly store: Store;
  readonly clusterRuntime: ClusterRuntime;
  readonly clusterServices: ClusterServices;
  /** Bounds the bytes of requests that are being received. */
  readonly budget: ByteBudget;
  /** Bounds the bytes of list answers to backends. */
  readonly answers: AnswerBudget;
}

export function createFoundations(
  config: Config,
  { log, onChanged }: Pick<NodeContext, "log" | "onChanged">,
): Foundations {
  const node = randomBytes(6).toString("hex");
  const limitedLog = new LimitedLog(log, systemClock);
  const logs = { log, limitedLog };
  const tracing = createTracing(node, packageVersion, (broker) => systemOf(config, broker));
  const clusterRuntime = createCluster(config, node, logs);
  return {
    node,
    limitedLog,
    tracing,
    processLoad: new ProcessLoad(() => systemClock.monotonic()),
    store: createStore(config, { ...logs, onChanged }),
    clusterRuntime,
    clusterServices: createClusterServices(clusterRuntime, limitedLog, tracing?.tasks),
    budget: new ByteBudget(config.limits.receiving),
    answers: new AnswerBudget(readAnswerRate(config), systemClock),
  };
}

/** Returns the system that carries the messages of a broker; undefined for one within this process. */
function systemOf({ brokers }: Config, broker: string): string | undefined {
  const driver = brokers[broker]?.driver;
  return driver === "memory" ? undefined : driver;
}

/** Returns the bytes of list answers to one key per second. */
export function readAnswerRate({ limits: { backend_answer_bytes_per_second: rate } }: Config): number {
  return rate === "off" ? Number.POSITIVE_INFINITY : rate;
}
