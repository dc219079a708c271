import { runInTurns } from "../access/patterns/match-ahead.js";
import type { Hub } from "../core/hub.js";
import type { Clock } from "../core/ports.js";
import type { Session } from "../core/session.js";
import type { ChosenClose } from "../errors.js";
import { withResolvers } from "../util/with-resolvers.js";
import { DISCONNECT_STEPS, LEAVE_STEPS } from "./clients.js";

/** Milliseconds between two steps. */
const STEP = 50;

/** Maximum number of steps whose sessions are closed at once, after the event loop was busy. */
const MAX_STEPS = 4;

/** Key of the queue for long work. Not a valid vhost path, so it collides with no vhost's queue. */
const PACED = "paced closing";

export interface PacedClosing {
  readonly clock: Clock;
  readonly hub: Hub;
  /** Sessions per second. */
  readonly rate: number;
  readonly reason: ChosenClose;
  /** Chooses open sessions to close next, at most `count`; none when all are closed. */
  readonly pick: (count: number) => readonly Session[];
  /** Ends the closing early. */
  readonly signal: AbortSignal;
}

/**
 * Closes sessions at a rate, after the frames written so far. Resolves when there is none left to pick.
 * @returns the number of closed sessions
 */
export async function closePaced({ clock, hub, pick, rate, reason, signal }: PacedClosing): Promise<number> {
  const perStep = (rate * STEP) / 1_000;
  const most = Math.max(1, perStep * MAX_STEPS);
  let allowed = Math.max(1, perStep);
  let closed = 0;
  for (let last = clock.monotonic(); !signal.aborted; ) {
    const sessions = pick(Math.floor(allowed));
    allowed -= sessions.length;
    closed += sessions.length;
    await runInTurns(PACED, endEach(hub, sessions, reason));
    if (pick(1).length === 0) break;
    await pause(clock, STEP, signal);
    const now = clock.monotonic();
    allowed = Math.min(most, allowed + ((now - last) * rate) / 1_000);
    last = now;
  }
  return closed;
}

/** Resolves after a time in milliseconds, or when the signal is aborted. */
export function pause(clock: Clock, milliseconds: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = withResolvers<void>();
  const onAbort = (): void => {
    cancel();
    resolve();
  };
  const cancel = clock.after(milliseconds, () => {
    signal.removeEventListener("abort", onAbort);
    resolve();
  });
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  return promise;
}

function* endEach(hub: Hub, sessions: readonly Session[], reason: ChosenClose): Generator<number, void> {
  for (const session of sessions) {
    const topics = session.memberships.size;
    hub.remove(session, reason);
    yield DISCONNECT_STEPS + LEAVE_STEPS * topics;
  }
}
