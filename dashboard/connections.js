import { connection } from "./connection.js";
import { field, h, pageHead, show, table } from "./elements.js";
import { ago, count } from "./format.js";
import { filterForm, PagedList } from "./lists.js";
import { call } from "./rpc.js";

const LIST = "carillon.v1.ControlService/ListConnections";
const DIALECTS = ["native", "events", "broadcaster", "rootsocket", "webrocket", "socketio"];

/** Shows the clients of the vhost, or one of them. */
export function connections(view, context) {
  const [first = "", second = ""] = context.path;
  if (first !== "" && first !== "topic") {
    connection(view, context);
    return;
  }
  const [user, userField] = textFilter("user", "User", "ann");
  const [topic, topicField] = textFilter("topic", "Topic", "orders.42", second);
  const [address, addressField] = textFilter("address", "Address begins with", "10.0.");
  const dialect = h(
    "select",
    { id: "dialect", "data-testid": "dialect" },
    h("option", { value: "" }, "all"),
    ...DIALECTS.map((name) => h("option", { value: name }, name)),
  );
  const filters = () => ({
    user: user.value.trim(),
    topic: topic.value.trim(),
    address: address.value.trim(),
    dialect: dialect.value,
  });
  const list = new PagedList({
    read: async (pageToken, signal) => {
      const answer = await call(LIST, { ...filters(), pageToken }, { signal });
      return { rows: answer.connections ?? [], next: answer.nextPageToken ?? "", missing: answer.missingNodes };
    },
    draw: (rows) => table("Connections", COLUMNS, rows, "connections"),
    none: () =>
      Object.values(filters()).every((value) => value === "")
        ? ["No clients are connected to this vhost."]
        : ["No connected client matches."],
    signal: context.signal,
  });
  const form = filterForm([userField, topicField, addressField, field("Dialect", dialect)], () => list.load());
  show(view, pageHead("Connections"), form, list.element);
  void list.load();
}

/** An input and its field. */
function textFilter(id, label, placeholder, value = "") {
  const input = h("input", {
    id,
    type: "search",
    placeholder,
    value,
    spellcheck: false,
    autocapitalize: "off",
    "data-testid": id,
  });
  return [input, field(label, input)];
}

const COLUMNS = [
  {
    title: "Connection",
    cell: ({ id }) => h("a", { href: `#/connections/${encodeURIComponent(id)}`, "data-key": id }, h("code", {}, id)),
  },
  { title: "User", cell: ({ user }) => user || h("span", { className: "aside" }, "anonymous") },
  { title: "Dialect", cell: ({ dialect }) => dialect, minor: true },
  { title: "Address", cell: ({ address }) => address, minor: true },
  { title: "Topics", cell: ({ topicCount }) => count(topicCount), number: true },
  { title: "Published", cell: ({ published }) => count(published), number: true, minor: true },
  { title: "Connected", cell: ({ connected }) => ago(connected) },
];
