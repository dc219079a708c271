import { h, pageHead, show, table } from "./elements.js";
import { count } from "./format.js";
import { PagedList } from "./lists.js";
import { call } from "./rpc.js";

/** Shows the workers of the vhost on all nodes. */
export function workers(view, { signal }) {
  const list = new PagedList({
    read: async (_token, readSignal) => {
      const answer = await call("carillon.v1.WorkerService/ListWorkers", {}, { signal: readSignal });
      return { rows: answer.workers ?? [], next: "", missing: answer.missingNodes };
    },
    draw: (rows) => table("Workers", COLUMNS, rows, "workers"),
    none: () => ["No workers are connected to this vhost.", "Workers answer the calls of clients and backends."],
    signal,
  });
  show(view, pageHead("Workers"), list.element);
  void list.load();
}

const COLUMNS = [
  {
    title: "Worker",
    cell: ({ id, name }) => h("span", {}, name || "unnamed", " ", h("code", { className: "aside" }, id)),
  },
  { title: "Events", cell: ({ events = [] }) => events.map((pattern) => h("code", { className: "pattern" }, pattern)) },
  { title: "Tasks", cell: ({ capacity, tasks }) => `${count(tasks)} of ${count(capacity)}`, number: true },
  { title: "Node", cell: ({ node }) => h("code", {}, node), minor: true },
  { title: "Kind", cell: ({ triggersOnly }) => (triggersOnly ? "triggers only" : "answers"), minor: true },
];
