import { describe, field, h, pageHead, panel, show, table } from "./elements.js";
import { ago, moment } from "./format.js";
import { PagedList } from "./lists.js";
import { call } from "./rpc.js";

const EXPLAIN = "carillon.v1.ControlService/ExplainAccess";
const ACTIONS = ["join", "publish", "call", "presence", "history"];

/** Explains decisions, and lists the keys of the vhost. */
export function access(view, { signal }) {
  const keys = new PagedList({
    read: async (_token, readSignal) => {
      const answer = await call("carillon.v1.ControlService/ListKeys", {}, { signal: readSignal });
      return { rows: answer.keys ?? [], next: "" };
    },
    draw: (rows) => table("Keys", COLUMNS, rows, "keys"),
    none: () => ["This vhost has no keys.", "Without any key on the node, every backend is let in."],
    signal,
  });
  show(
    view,
    pageHead("Access"),
    h(
      "div",
      { className: "stack" },
      panel("Explain a decision", explainForm(signal)),
      panel("Keys of backends", keys.element),
    ),
  );
  void keys.load();
}

const COLUMNS = [
  {
    title: "Name",
    cell: ({ configured, name }) =>
      h("span", {}, name, configured ? h("span", { className: "tag" }, "configured") : ""),
  },
  {
    title: "Actions",
    cell: ({ actions = [] }) => actions.map((action) => h("code", { className: "pattern" }, action)),
  },
  {
    title: "Topics",
    cell: ({ topics = [] }) =>
      topics.length === 0 ? "all" : topics.map((pattern) => h("code", { className: "pattern" }, pattern)),
    minor: true,
  },
  { title: "Created", cell: ({ created }) => moment(created), minor: true },
  { title: "Last used", cell: ({ lastUsed }) => (lastUsed === undefined ? "not recorded" : ago(lastUsed)) },
];

function explainForm(signal) {
  const action = h(
    "select",
    { id: "action", "data-testid": "action" },
    ...ACTIONS.map((name) => h("option", {}, name)),
  );
  const topic = h("input", {
    id: "explained-topic",
    required: true,
    placeholder: "orders.42",
    spellcheck: false,
    "data-testid": "explained-topic",
  });
  const client = h(
    "select",
    { id: "client", "data-testid": "client" },
    h("option", { value: "anonymous" }, "without a token"),
    h("option", { value: "connection" }, "connected, with this id"),
    h("option", { value: "permissions" }, "with these permissions"),
  );
  const value = h("input", { id: "client-value", spellcheck: false, "data-testid": "client-value" });
  const valueField = field("", value);
  const result = h("p", { className: "verdict", role: "status", "data-testid": "verdict" });
  const showValue = () => {
    valueField.hidden = client.value === "anonymous";
    value.required = client.value !== "anonymous";
    valueField.querySelector("label").textContent =
      client.value === "connection" ? "Connection" : "Permissions as JSON";
    value.placeholder = client.value === "connection" ? "NODE.NUMBER" : '{"join":["orders.*"]}';
  };
  client.addEventListener("change", () => {
    value.value = "";
    showValue();
  });
  showValue();
  return h(
    "form",
    {
      onsubmit: async (event) => {
        event.preventDefault();
        result.dataset.kind = "";
        result.textContent = "";
        try {
          const request = {
            action: action.value,
            topic: topic.value.trim(),
            ...readClient(client.value, value.value.trim()),
          };
          const { allowed = false, reason } = await call(EXPLAIN, request, { signal });
          result.dataset.kind = allowed ? "good" : "bad";
          result.textContent = `${allowed ? "Allowed" : "Refused"}: ${reason}.`;
        } catch (cause) {
          if (signal.aborted) return;
          result.dataset.kind = "bad";
          result.textContent = describe(cause);
        }
      },
    },
    h(
      "div",
      { className: "filters" },
      field("May a client", client),
      valueField,
      field("do", action),
      field("on the topic or event", topic),
      h("button", { type: "submit", className: "primary", "data-testid": "explain" }, "Explain"),
    ),
    result,
  );
}

/** @throws Error for permissions that are not JSON */
function readClient(kind, text) {
  if (kind === "connection") return { connectionId: text };
  if (kind === "anonymous") return { anonymous: {} };
  try {
    return { permissions: JSON.parse(text) };
  } catch {
    throw new Error('expected permissions as JSON, such as {"join":["orders.*"]}');
  }
}
