import { field, h, pageHead, show, table } from "./elements.js";
import { count, rate } from "./format.js";
import { filterForm, PagedList } from "./lists.js";
import { call } from "./rpc.js";
import { topic } from "./topic.js";
import { TopicRates } from "./topic-rates.js";

const LIST = "carillon.v1.ControlService/ListTopics";

/** Shows the topics that have sessions, or one of them. */
export function topics(view, context) {
  if (context.path[0] !== undefined && context.path[0] !== "") {
    topic(view, context);
    return;
  }
  const prefix = h("input", {
    id: "prefix",
    type: "search",
    placeholder: "orders.",
    spellcheck: false,
    autocapitalize: "off",
    "data-testid": "prefix",
  });
  const rates = new TopicRates();
  const list = new PagedList({
    read: async (pageToken, signal) => {
      const answer = await call(LIST, { prefix: prefix.value.trim(), pageToken }, { signal });
      return { rows: rates.add(answer.topics ?? []), next: answer.nextPageToken ?? "", missing: answer.missingNodes };
    },
    draw: (rows) => table("Topics", COLUMNS, rows, "topics"),
    none: () =>
      prefix.value.trim() === ""
        ? ["No client has joined a topic.", "Topics without clients are not listed, but can be opened by name."]
        : [`No topic in use begins with ${prefix.value.trim()}.`, "Open it by name to see its history."],
    signal: context.signal,
  });
  const open = h(
    "button",
    {
      type: "button",
      "data-testid": "open-topic",
      onclick: () => {
        if (prefix.value.trim() !== "") location.hash = topicLink(prefix.value.trim());
        else prefix.focus();
      },
    },
    "Open by name",
  );
  const form = filterForm([field("Topics that begin with", prefix)], () => list.load());
  form.append(open);
  show(view, pageHead("Topics"), form, list.element);
  void list.load();
}

/** Address of a topic's page. */
export function topicLink(name, broker = "") {
  return `#/topics/${encodeURIComponent(name)}${broker === "" ? "" : `/${encodeURIComponent(broker)}`}`;
}

const COLUMNS = [
  {
    title: "Topic",
    cell: ({ broker, name }) => h("a", { href: topicLink(name, broker), "data-key": `${broker} ${name}` }, name),
  },
  { title: "Broker", cell: ({ broker }) => broker, minor: true },
  { title: "Sessions", cell: ({ sessions }) => count(sessions), number: true },
  { title: "Messages", cell: ({ messages }) => count(messages), number: true, minor: true },
  { title: "Messages / s", cell: (row) => (row.rate === undefined ? "–" : rate(row.rate)), number: true },
];
