import { h, pageHead, show } from "./elements.js";
import { PagedList } from "./lists.js";
import { call } from "./rpc.js";

/** Shows the vhosts with their settings. */
export function vhosts(view, { signal }) {
  const list = new PagedList({
    read: async (_token, readSignal) => {
      const answer = await call("carillon.v1.ControlService/ListVhosts", {}, { signal: readSignal, vhost: "/" });
      return { rows: answer.vhosts ?? [], next: "" };
    },
    draw: (rows) => h("div", { className: "stack", "data-testid": "vhosts" }, ...rows.map(vhostPanel)),
    none: () => ["There are no vhosts."],
    signal,
  });
  show(view, pageHead("Vhosts"), list.element);
  void list.load();
}

/** Paths of the vhosts whose settings are unfolded, which stay so when the list is read again. */
const unfolded = new Set();

function vhostPanel({ configured, path, settings = {} }) {
  const details = h(
    "details",
    {
      open: unfolded.has(path),
      ontoggle: () => (details.open ? unfolded.add(path) : unfolded.delete(path)),
    },
    h("summary", { "data-key": path }, "Settings"),
    h(
      "pre",
      { className: "code", tabIndex: 0, role: "region", "aria-label": `Settings of ${path}` },
      JSON.stringify(settings, undefined, 2),
    ),
  );
  return h(
    "section",
    { className: "panel" },
    h(
      "h2",
      {},
      h("code", {}, path),
      h("span", { className: "tag" }, configured ? "configured" : "created at run time"),
    ),
    details,
  );
}
