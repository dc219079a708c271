import type { ChosenClose } from "../errors.js";
import type { Logger } from "../observe/log.js";
import { systemClock } from "../util/system-clock.js";
import { withResolvers } from "../util/with-resolvers.js";
import type { NodeParts } from "./create/create-node.js";

/** Minimum time that a bus or broker gets to stop, in milliseconds, even after the node's timeout. */
const MIN_TIME = 100;

/**
 * Stops the parts of a node, some of which may not have started: tasks and publishes first, then connections, then their
 * dependencies. Never rejects.
 * @param timeout - milliseconds after which connections are cut
 * @param close - of the sessions that are left
 */
export async function stopNode(
  parts: NodeParts,
  { close, timeout }: { readonly timeout: number; readonly close: ChosenClose },
  log: Logger,
): Promise<void> {
  const begin = systemClock.monotonic();
  const end = begin + timeout;
  const { clusterServices, historyPreparation, listeners, messaging, rpc } = parts;
  listeners.grpc.setServing(false);
  historyPreparation.stop();
  const closed = closeListeners(parts);
  // Tasks in progress may take half of the time. The rest is for everything else.
  await withDeadline(begin + timeout / 2, rpc.drainWork());
  clusterServices.dispatch.stop();
  rpc.stop();
  await withDeadline(end, messaging.publisher.close());

  messaging.fanOut.flush();
  for (const session of messaging.hub.sessions) messaging.hub.remove(session, close);
  listeners.heartbeat.stop();
  messaging.interest.stop();
  if (!(await withDeadline(end, Promise.all([closed, drainClients(parts)]))))
    log.warn("closing connections that did not end in time");
  cutConnections(parts);

  parts.connectionAges.stop();
  parts.clients.stop();
  listeners.certificates?.stop();
  await stopRuntimes(parts, end, log);
  if (parts.tracing !== undefined) await withDeadline(end, parts.tracing.flush());
  parts.metrics.stop();
  parts.limitedLog.stop();
  parts.processLoad.stop();
  log.info("stopped");
}

function clientListeners({ listeners: { dialects, webSockets } }: NodeParts) {
  return [webSockets, ...dialects.flatMap(({ clients }) => clients ?? [])];
}

/** Stops accepting connections. Resolves when the open requests and streams have ended. */
function closeListeners(parts: NodeParts): Promise<unknown> {
  const { admin, dialects, grpc, http } = parts.listeners;
  const ports = [
    http,
    grpc,
    ...(admin === undefined ? [] : [admin]),
    ...dialects.flatMap(({ ports: own }) => own ?? []),
  ];
  const closed = ports.map((port) => port.close());
  for (const listener of clientListeners(parts)) listener.close();
  return Promise.all(closed);
}

/** Resolves when all connections of clients have ended. */
function drainClients(parts: NodeParts): Promise<unknown> {
  return Promise.all(clientListeners(parts).map((listener) => listener.drained()));
}

function cutConnections(parts: NodeParts): void {
  const { admin, dialects, forwarder, grpc, http } = parts.listeners;
  forwarder?.close();
  for (const listener of clientListeners(parts)) listener.terminate();
  http.terminate();
  admin?.terminate();
  for (const { ports } of dialects) ports?.terminate();
  grpc.terminate();
}

async function stopRuntimes(parts: NodeParts, end: number, log: Logger): Promise<void> {
  const { brokers, clusterRuntime, clusterServices, store, vhostRuntime } = parts;
  const timeLeft = (): number => Math.max(MIN_TIME, end - systemClock.monotonic());
  await withDeadline(end, vhostRuntime.leases.stop());
  const told = await withDeadline(end, vhostRuntime.vhosts.drained());
  if (!told) log.warn("backends were not notified of all disconnects in time");
  vhostRuntime.vhosts.stop();
  clusterServices.presence.stop();
  await clusterRuntime.cluster.stop(timeLeft());
  await Promise.all([
    clusterRuntime.bus.stop(timeLeft()),
    withDeadline(end, store.stop()),
    ...[...brokers.all].map(({ driver }) => driver.stop(timeLeft())),
  ]);
}

/** @returns whether `done` settled before `end`, a time of the monotonic clock */
async function withDeadline(end: number, done: Promise<unknown>): Promise<boolean> {
  const { promise: late, resolve } = withResolvers<false>();
  const cancel = systemClock.after(Math.max(0, end - systemClock.monotonic()), () => {
    resolve(false);
  });
  const inTime = await Promise.race([done.then(() => true), late]);
  cancel();
  return inTime;
}
