import { type ListWorkersResponse_Worker, WorkerService } from "../../../gen/carillon/v1/worker_pb.js";
import { asBackend } from "../backend.js";
import type { BackendFlags } from "../node-options.js";
import { note } from "../terminal/note.js";
import { printJson } from "../terminal/print.js";
import { formatTable } from "../terminal/table.js";
import { noteMissing } from "./print-list.js";

export interface WorkersFlags extends BackendFlags {
  readonly json?: true;
}

/** Prints the workers of a vhost, on all nodes, with the events that they accept and their load. */
export async function workersCommand(flags: WorkersFlags): Promise<void> {
  await asBackend(flags, async (client) => {
    const { missingNodes, more, workers } = await client.call(WorkerService.method.listWorkers, {});
    if (flags.json === true) for (const worker of workers) printJson(describe(worker));
    else if (workers.length > 0)
      process.stdout.write(formatTable(["WORKER", "NAME", "TASKS", "CAPACITY", "NODE", "EVENTS"], workers.map(toRow)));
    else note("no workers");
    noteMissing(missingNodes);
    if (more) note("there are more: a list has at most 1000 workers of each node");
  });
}

function toRow({ capacity, events, id, name, node, tasks, triggersOnly }: ListWorkersResponse_Worker): string[] {
  const accepted = `${events.join(" ")}${triggersOnly ? " (triggers only)" : ""}`;
  return [id, name, String(tasks), String(capacity), node, accepted];
}

function describe({ capacity, events, id, name, node, tasks, triggersOnly }: ListWorkersResponse_Worker): object {
  return { id, name, tasks, capacity, node, events, triggersOnly };
}
