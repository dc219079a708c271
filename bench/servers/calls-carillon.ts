import type { Bus } from "../../src/cluster/bus.js";
import { ClusterNode } from "../../src/cluster/cluster-node.js";
import { LocalBus } from "../../src/cluster/local-bus.js";
import { NatsBus } from "../../src/nats/bus/nats-bus.js";
import { systemClock } from "../../src/util/system-clock.js";
import { ACKNOWLEDGE_WITHIN, ClusterDispatch } from "../../src/workers/cluster-dispatch.js";
import { DEFAULT_LIMITS } from "../../src/workers/limits.js";
import { type CallRun, callMany } from "../support/call-many.js";
import { answer } from "../support/child.js";
import { PROFILER } from "../support/profiler.js";

/** Runs the part of a node that dispatches tasks to workers, with a worker that echoes its tasks. */
const EVENT = "bench.echo";
const TIMEOUT = 10_000;
let dispatch: ClusterDispatch | undefined;

function reportError(message: string): void {
  process.stderr.write(`${message}\n`);
}

function createBus(url: string): Bus {
  if (url === "") return new LocalBus(reportError);
  const nats = { servers: [url], prefix: "bench", clientName: "bench", pendingBytes: 8 << 20, confirmTimeout: 5_000 };
  return new NatsBus({
    nats,
    clock: systemClock,
    events: { onUp: () => {}, onDown: reportError, onError: reportError },
  });
}

async function startDispatch(url: string): Promise<ClusterDispatch> {
  const bus = createBus(url);
  const cluster = new ClusterNode({ node: `n${process.pid}`, bus, clock: systemClock, onError: reportError });
  dispatch = new ClusterDispatch({
    cluster,
    bus,
    clock: systemClock,
    endOfTurn: setImmediate,
    limits: DEFAULT_LIMITS,
    acknowledgeWithin: ACKNOWLEDGE_WITHIN,
    onError: reportError,
  });
  await bus.start();
  await cluster.start();
  await dispatch.start();
  return dispatch;
}

function call(payload: Uint8Array): Promise<boolean> {
  const request = { vhost: "/", event: EVENT, payload, topic: "", connectionId: "c", user: "ann", info: "{}" };
  return new Promise((resolve) => {
    dispatch?.startTask(
      { ...request, deadline: Date.now() + TIMEOUT, wantsAnswer: true },
      {
        onPart: (part, more) => {
          resolve(!more && part.length === payload.length);
        },
        onFailed: () => {
          resolve(false);
        },
      },
    );
  });
}

answer({
  ...PROFILER,

  async work(url: string) {
    const node = dispatch ?? (await startDispatch(url));
    const registration = await node.registerWorker(
      { vhost: "/", events: [EVENT], capacity: 1_000, name: "" },
      {
        assign: ({ id, payload }) => {
          registration.answer(id, payload, false);
        },
        cancel: () => {},
      },
    );
  },

  async start(url: string) {
    await startDispatch(url);
  },

  run: (run: CallRun) => callMany(run, call),
});
