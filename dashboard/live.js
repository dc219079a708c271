import { call, readSession, stream } from "./rpc.js";

const WATCH = "carillon.v1.MetricsService/WatchMetrics";
const INTERVAL = 2;
/** Time shown by the charts, in milliseconds. */
const KEPT = 15 * 60 * 1_000;
/** Delay between attempts to reach the node, in milliseconds. */
const RETRY = 1_000;
const PING = 5_000;

/** Readings of the cluster since the page was opened, and the state of the connection to the node. */
export const live = {
  /** `connecting`, `connected` or `disconnected`. */
  state: "connecting",
  /** The last answer of WatchMetrics; undefined before the first one. */
  last: undefined,
  /** Why the readings are not available, if they are not. */
  refusal: undefined,
  /** Times in seconds, and the sums of all nodes at those times. */
  history: [],
};

const listeners = new Set();

/** Calls the listener after every change, until the signal is aborted. */
export function onLive(listener, signal) {
  listeners.add(listener);
  signal.addEventListener("abort", () => listeners.delete(listener));
}

/** Forgets everything, because another user may sign in. */
export function resetLive() {
  Object.assign(live, { state: "connecting", last: undefined, refusal: undefined, history: [] });
}

/** Watches until the signal is aborted. Keeps trying while the node does not answer. */
export async function runLive(signal) {
  while (!signal.aborted) {
    try {
      await watchOnce(signal);
    } catch (cause) {
      if (signal.aborted) return;
      if (cause.code === "permission_denied") {
        live.refusal = cause;
        await pingUntilLost(signal);
      } else if (cause.code === "unauthenticated") return;
    }
    setState("disconnected");
    await pause(RETRY, signal);
  }
}

async function watchOnce(signal) {
  // Readings cover all vhosts, so only the default one has them.
  for await (const answer of stream(WATCH, { interval: `${INTERVAL}s` }, signal, "/")) {
    live.refusal = undefined;
    live.last = answer;
    addPoint(answer);
    setState("connected");
  }
}

/** Checks that the node answers, where the session may not read metrics. */
async function pingUntilLost(signal) {
  while (!signal.aborted) {
    await readSession();
    setState("connected");
    await pause(PING, signal);
  }
}

function addPoint({ nodes = [], time }) {
  const sum = (read) => nodes.reduce((total, node) => total + (read(node) ?? 0), 0);
  // Without a node's rates the sum would be too low.
  const hasRates = nodes.every(({ rates }) => rates !== undefined);
  const at = Date.parse(time);
  live.history.push({
    time: at / 1_000,
    messagesIn: hasRates ? sum(({ rates }) => rates.messagesIn) : null,
    messagesOut: hasRates ? sum(({ rates }) => rates.messagesOut) : null,
    cpu: hasRates ? sum(({ rates }) => rates.cpu) : null,
    connections: sum(({ connections }) => connections),
    delay: Math.max(0, ...nodes.map(({ eventLoopDelayMax = 0 }) => eventLoopDelayMax * 1_000)),
    memory: sum(({ memoryBytes }) => Number(memoryBytes)) / 2 ** 20,
  });
  while (live.history[0].time * 1_000 < at - KEPT) live.history.shift();
}

function setState(state) {
  live.state = state;
  for (const listener of listeners) listener();
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Lists the vhosts' paths; empty where the session may not. */
export async function listVhosts(signal) {
  try {
    const { vhosts = [] } = await call("carillon.v1.ControlService/ListVhosts", {}, { signal, vhost: "/" });
    return vhosts.map(({ path }) => path);
  } catch {
    return [];
  }
}
