import { createInterface } from "node:readline";
import { systemClock } from "../../../src/util/system-clock.js";
import { ClusterDispatch } from "../../../src/workers/cluster-dispatch.js";
import type { WorkerRegistration } from "../../../src/workers/dispatch.js";
import { DEFAULT_LIMITS } from "../../../src/workers/limits.js";
import { knowsNodes } from "../../support/nodes/knows-nodes.js";
import { createMemberProgram, runProgram, say } from "../../support/nodes/member-program.js";

/**
 * A node with a worker for the event `work`, which prints its tasks and answers all of them when it reads a line `answer`. On
 * a line `call EVENT` or `trigger EVENT` the node sends a task, and prints its outcome. It takes part when it knows the number
 * of nodes in its third argument.
 */
const { args, bus, member: cluster, node } = createMemberProgram();
const dispatch = new ClusterDispatch({
  cluster,
  bus,
  clock: systemClock,
  endOfTurn: setImmediate,
  limits: DEFAULT_LIMITS,
  acknowledgeWithin: 10_000,
  onError: say,
});
const has = new Set<string>();
let registration: WorkerRegistration | undefined;

function startTask(event: string, wantsAnswer: boolean): void {
  const deadline = Date.now() + 60_000;
  const request = { vhost: "/", event, payload: Buffer.from(event), topic: "", connectionId: "", user: "", info: "{}" };
  dispatch.startTask(
    { ...request, deadline, wantsAnswer },
    {
      onPart: (payload) => {
        say(`answered ${Buffer.from(payload).toString()}`);
      },
      onFailed: ({ code }) => {
        say(`refused ${code}`);
      },
    },
  );
}

function obey(line: string): void {
  const [command, event = ""] = line.split(" ");
  if (command === "call" || command === "trigger") startTask(event, command === "call");
  if (command !== "answer") return;
  for (const id of has) registration?.answer(id, Buffer.from(`from ${node}`), false);
  has.clear();
}

async function main(): Promise<void> {
  await bus.start();
  await cluster.start();
  await knowsNodes(cluster, Number(args[0]));
  await dispatch.start();
  registration = await dispatch.registerWorker(
    { vhost: "/", events: ["work"], capacity: 1_000, name: node },
    {
      assign: ({ attempt, id }) => {
        has.add(id);
        registration?.acknowledge(id);
        say(`assigned ${id} ${attempt}`);
      },
      cancel: (id) => {
        say(`cancelled ${id}`);
      },
    },
  );
  createInterface({ input: process.stdin }).on("line", obey);
  say("started");
}

runProgram(main);
