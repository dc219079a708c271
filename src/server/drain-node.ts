import { closePaced, pause } from "../clients/close-paced.js";
import type { Config } from "../config/schema.js";
import type { Session } from "../core/session.js";
import { type ChosenClose, createRestartClose, type RetryWindow, WEBSOCKET_CLOSE } from "../errors.js";
import type { Logger } from "../observe/log.js";
import { systemClock } from "../util/system-clock.js";
import type { NodeParts } from "./create/create-node.js";

/** Earliest time at which clients are advised to come back, in milliseconds. */
const EARLIEST_RETRY = 1_000;

/** Returns when the clients of a stopping node should come back. */
export function toRetryWindow({ spread }: Config["drain"]): RetryWindow {
  return { from: EARLIEST_RETRY, to: spread };
}

/** Returns the close of the sessions of a stopping node. */
export function toStopClose(drain: Config["drain"]): ChosenClose {
  const [, text] = WEBSOCKET_CLOSE.service_restart;
  return createRestartClose(text, toRetryWindow(drain));
}

/**
 * Empties a node before it stops (rule L7). All clients are served during the delay, which gives load balancers time to notice that
 * the node is not ready. Then new clients are refused, and connections are closed at a rate. Backends are served throughout.
 * Never rejects.
 */
export async function drainNode(
  { commands: { calls }, listeners, messaging: { hub }, rpc }: NodeParts,
  drain: Config["drain"],
  log: Logger,
): Promise<void> {
  const timeout = new AbortController();
  if (drain.delay > 0) await pause(systemClock, drain.delay, timeout.signal);
  listeners.handshakes.close();
  rpc.drainStreams();
  const total = hub.sessions.size;
  log.info({ connections: total, rate: drain.rate }, "refusing new clients, closing connections");
  const cancel = systemClock.after(drain.timeout, () => {
    timeout.abort();
  });
  await closePaced({
    clock: systemClock,
    hub,
    rate: drain.rate,
    reason: toStopClose(drain),
    // Sessions that wait for a worker are closed when the node stops, after their calls have ended or failed.
    pick: (count) => takeFirst(hub.sessions, count, (session) => !calls.isWaiting(session)),
    signal: timeout.signal,
  });
  cancel();
  const { size } = hub.sessions;
  if (timeout.signal.aborted && size > 0)
    log.warn({ connections: size }, "closing the remaining connections at once: drain.timeout has passed");
}

function takeFirst(sessions: Iterable<Session>, count: number, isWanted: (session: Session) => boolean): Session[] {
  const taken: Session[] = [];
  for (const session of sessions) {
    if (taken.length >= count) break;
    if (isWanted(session)) taken.push(session);
  }
  return taken;
}
