import type { Bus } from "../../src/cluster/bus.js";
import { ASK_TIMEOUT, ClusterNode } from "../../src/cluster/cluster-node.js";
import { LocalBus } from "../../src/cluster/local-bus.js";
import { PEER_TICK } from "../../src/cluster/peers.js";
import type { Clock } from "../../src/core/ports.js";
import type { CarillonError, ErrorCode } from "../../src/errors.js";
import { systemClock } from "../../src/util/system-clock.js";
import { withResolvers } from "../../src/util/with-resolvers.js";
import { ACKNOWLEDGE_WITHIN, ClusterDispatch } from "../../src/workers/cluster-dispatch.js";
import type {
  CallHandle,
  Dispatch,
  TaskAssignment,
  TaskRequest,
  WorkerHello,
  WorkerRegistration,
} from "../../src/workers/dispatch.js";
import { DEFAULT_LIMITS, type DispatchLimits } from "../../src/workers/limits.js";
import { DISPATCH_TICK } from "../../src/workers/ticker.js";
import { cleanUp } from "../support/clean-up.js";
import { startNatsBus } from "../support/nats/bus.js";
import { knowsNodes } from "../support/nodes/knows-nodes.js";
import { Queue } from "../support/queue.js";

export interface DispatchOptions {
  readonly limits?: Partial<DispatchLimits>;
  readonly acknowledgeWithin?: number;
  readonly clock?: Clock;
}

/** The dispatch of one node. */
export interface TestDispatch {
  readonly dispatch: ClusterDispatch;
  readonly member: ClusterNode;
  readonly bus: Bus;
  readonly errors: string[];
  /** Stops the dispatch as a stopping node does. */
  readonly stop: () => Promise<void>;
}

let count = 0;

/** Starts a node's dispatch on a started bus; it is stopped after the test. */
export async function startDispatch(bus: Bus, options: DispatchOptions = {}): Promise<TestDispatch> {
  const { acknowledgeWithin = ACKNOWLEDGE_WITHIN, clock = systemClock, limits } = options;
  count += 1;
  const errors: string[] = [];
  const onError = (message: string): void => {
    errors.push(message);
  };
  const member = new ClusterNode({ node: `node${count}`, bus, clock, onError });
  const dispatch = new ClusterDispatch({
    cluster: member,
    bus,
    clock,
    endOfTurn: setImmediate,
    limits: { ...DEFAULT_LIMITS, ...limits },
    acknowledgeWithin,
    onError,
  });
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    dispatch.stop();
    await member.stop(1_000);
  };
  cleanUp(stop);
  await member.start();
  await dispatch.start();
  return { dispatch, member, bus, errors, stop };
}

/** Starts the dispatch of a single node. */
export async function startLocalDispatch(options: DispatchOptions = {}): Promise<TestDispatch> {
  const bus = new LocalBus((message) => {
    throw new Error(message);
  });
  await bus.start();
  return startDispatch(bus, options);
}

/** Starts nodes on one NATS server. Resolves when they know each other. */
export async function startNatsDispatches(
  url: string,
  size: number,
  options: DispatchOptions = {},
): Promise<TestDispatch[]> {
  const started: TestDispatch[] = [];
  while (started.length < size) started.push(await startDispatch((await startNatsBus(url)).bus, options));
  await Promise.all(started.map(({ member }) => knowsNodes(member, size)));
  return started;
}

/**
 * Clock whose ticks and timeouts between nodes take ten times as long, so that nodes on a busy machine do not give up on
 * each other. Timers of other lengths are unchanged.
 */
export const patientClock: Clock = {
  ...systemClock,
  after: (milliseconds, run) => {
    const isPatient = milliseconds === PEER_TICK || milliseconds === DISPATCH_TICK || milliseconds === ASK_TIMEOUT;
    return systemClock.after(isPatient ? 10 * milliseconds : milliseconds, run);
  },
};

/** Result of a task, as its caller sees it. */
export type Outcome =
  | { readonly parts: readonly string[] }
  | { readonly parts: readonly string[]; readonly code: ErrorCode; readonly message: string };

export interface TestTask {
  readonly handle: CallHandle;
  readonly outcome: Promise<Outcome>;
  /** Parts of the answer, in the order received. */
  readonly parts: Queue<string>;
  /** Resolves when a node has taken the task. */
  readonly taken: Promise<void>;
  /** How often the end of the task, and its being taken, were reported to the caller. */
  readonly ends: () => number;
  readonly takes: () => number;
  /** Resolves when a worker has the task; for triggers only. */
  readonly assigned: Promise<void>;
  readonly assignments: () => number;
}

export function requestOf(event: string, fields: Partial<TaskRequest> = {}): TaskRequest {
  return {
    vhost: "/",
    event,
    payload: Buffer.from(event),
    topic: "",
    connectionId: "c1",
    user: "ann",
    info: '{"name":"Ann"}',
    deadline: Date.now() + 60_000,
    wantsAnswer: true,
    ...fields,
  };
}

export function startTask(dispatch: Dispatch, event: string, fields: Partial<TaskRequest> = {}): TestTask {
  const parts = new Queue<string>();
  const all: string[] = [];
  let ends = 0;
  let takes = 0;
  let assignments = 0;
  const { promise: outcome, resolve: settle } = withResolvers<Outcome>();
  const { promise: taken, resolve: take } = withResolvers<void>();
  const { promise: assigned, resolve: assign } = withResolvers<void>();
  const handle = dispatch.startTask(requestOf(event, fields), {
    onTaken: () => {
      takes += 1;
      take();
    },
    onAssigned: () => {
      assignments += 1;
      assign();
    },
    onPart: (payload, more) => {
      const text = Buffer.from(payload).toString();
      all.push(text);
      parts.push(text);
      if (more) return;
      ends += 1;
      settle({ parts: all });
    },
    onFailed: ({ code, message }: CarillonError) => {
      ends += 1;
      settle({ parts: all, code, message });
    },
  });
  return {
    handle,
    outcome,
    parts,
    taken,
    assigned,
    ends: () => ends,
    takes: () => takes,
    assignments: () => assignments,
  };
}

export interface TestWorker {
  readonly registration: WorkerRegistration;
  readonly assigned: Queue<TaskAssignment>;
  readonly cancelled: Queue<string>;
}

export async function registerWorker(
  { dispatch }: TestDispatch,
  events: readonly string[],
  hello: Partial<WorkerHello> = {},
): Promise<TestWorker> {
  const assigned = new Queue<TaskAssignment>();
  const cancelled = new Queue<string>();
  const registration = await dispatch.registerWorker(
    { vhost: "/", events, capacity: 1, name: "", ...hello },
    {
      assign: (task) => {
        assigned.push(task);
      },
      cancel: (id) => {
        cancelled.push(id);
      },
    },
  );
  return { registration, assigned, cancelled };
}

/** Adds a worker that answers its tasks at once, with the payload or the given answer. */
export async function registerEcho(
  node: TestDispatch,
  events: readonly string[],
  hello: Partial<WorkerHello> = {},
  answerOf: (task: TaskAssignment) => string = ({ payload }) => Buffer.from(payload).toString(),
): Promise<WorkerRegistration> {
  let registration: WorkerRegistration | undefined;
  registration = await node.dispatch.registerWorker(
    { vhost: "/", events, capacity: 10, name: "", ...hello },
    {
      assign: (task) => {
        registration?.answer(task.id, Buffer.from(answerOf(task)), false);
      },
      cancel: () => {},
    },
  );
  return registration;
}

/** Resolves with the first of these workers that has a task. */
export async function whoHas(workers: readonly TestWorker[]): Promise<TestWorker> {
  for (;;) {
    const found = workers.find(({ assigned }) => assigned.unread.length > 0);
    if (found !== undefined) return found;
    await new Promise(setImmediate);
  }
}
