import { empty, facts, failure, h, loading, pageHead, panel, show, table } from "./elements.js";
import { ago, clock, count, decodePayload, moment, plural, rate } from "./format.js";
import { LiveTail } from "./live-tail.js";
import { call } from "./rpc.js";
import { TopicRates } from "./topic-rates.js";

const LIST = "carillon.v1.ControlService/ListTopics";
const PRESENCE = "carillon.v1.PresenceService/GetPresence";
const HISTORY = "carillon.v1.HistoryService/ReadHistory";
const REFRESH = 5_000;
const PAGE = 20;

/** Shows one topic: its sessions, live messages, members and stored messages. */
export function topic(view, { path: [name, broker = ""], session, signal }) {
  const summary = h("div", {}, loading());
  const members = h("div", { "data-testid": "presence" }, loading());
  const stored = h("div", { "data-testid": "history" }, loading());
  const rates = new TopicRates();
  const tail = new LiveTail(name, broker, signal);
  const publish = h(
    "a",
    { className: "button", href: `#/publish/${encodeURIComponent(name)}` },
    session.actions ? "Publish a test message" : "Code that publishes here",
  );
  const clients = h(
    "a",
    { className: "button", href: `#/connections/topic/${encodeURIComponent(name)}` },
    "Connections in this topic",
  );
  show(
    view,
    h("p", { className: "crumb" }, h("a", { href: "#/topics" }, "Topics")),
    pageHead(name, h("div", { className: "buttons" }, clients, publish)),
    h(
      "div",
      { className: "stack" },
      summary,
      tail.element,
      h("div", { className: "columns" }, panel("Stored messages", stored), panel("Presence", members)),
    ),
  );
  void repeat(() => showSummary(summary, name, broker, rates, signal), signal);
  void repeat(() => showMembers(members, name, broker, signal), signal);
  void showHistory(stored, name, broker, [], "", signal);
}

/** Calls a function at once and then every few seconds. */
async function repeat(run, signal) {
  while (!signal.aborted) {
    await run();
    await new Promise((resolve) => {
      setTimeout(resolve, REFRESH);
    });
  }
}

async function showSummary(target, name, broker, rates, signal) {
  try {
    const { topics = [] } = await call(LIST, { prefix: name, pageSize: 20 }, { signal });
    const found = rates.add(topics.filter((one) => one.name === name && (broker === "" || one.broker === broker)));
    const sum = (read) => found.reduce((total, one) => total + Number(read(one) ?? 0), 0);
    const isInUse = found.length > 0;
    const isMeasured = isInUse && found.every((one) => one.rate !== undefined);
    const entries = [
      ["Sessions", count(sum(({ sessions }) => sessions))],
      ["Broker", broker || found.map((one) => one.broker).join(", ")],
      ["Messages", isInUse ? count(sum(({ messages }) => messages)) : "counted while clients use the topic"],
      ["Rate", isMeasured ? `${rate(sum((one) => one.rate))} messages / s` : isInUse ? "measuring" : undefined],
    ];
    show(target, facts(entries, "topic-facts"));
  } catch (cause) {
    if (!signal.aborted && cause.code !== "unreachable") show(target, failure(cause));
  }
}

async function showMembers(target, name, broker, signal) {
  try {
    const {
      count: all,
      members = [],
      users,
    } = await call(PRESENCE, { topic: name, broker, pageSize: 100 }, { signal });
    if (members.length === 0) {
      show(target, empty("Nobody is present."));
      return;
    }
    const rest = Number(all) - members.length;
    show(
      target,
      h("p", { className: "aside" }, `${plural(all, "member")}, ${plural(users, "user")}`),
      table("Members", MEMBERS, members, "members"),
      rest > 0 ? h("p", { className: "aside" }, `and ${count(rest)} more`) : undefined,
    );
  } catch (cause) {
    if (signal.aborted || cause.code === "unreachable") return;
    if (cause.code === "failed_precondition")
      show(target, empty("This topic has no presence.", "A rule of the vhost gives it one."));
    else show(target, failure(cause));
  }
}

const MEMBERS = [
  { title: "User", cell: ({ user }) => user || h("span", { className: "aside" }, "anonymous") },
  {
    title: "Connection",
    cell: ({ connectionId }) =>
      h("a", { href: `#/connections/${encodeURIComponent(connectionId)}` }, h("code", {}, connectionId)),
  },
  { title: "Joined", cell: ({ joined }) => ago(joined), minor: true },
];

/** Adds the page of stored messages before a position. */
async function showHistory(target, name, broker, shown, before, signal) {
  try {
    const request = { topic: name, broker, limit: PAGE, before, order: "HISTORY_ORDER_NEWEST_FIRST" };
    const { messages = [], more } = await call(HISTORY, request, { signal });
    const all = [...shown, ...messages];
    const refresh = h(
      "button",
      { type: "button", className: "small", onclick: () => showHistory(target, name, broker, [], "", signal) },
      "Read again",
    );
    if (all.length === 0) {
      show(target, empty("No messages are stored."), h("p", { className: "more" }, refresh));
      return;
    }
    const older =
      more === true
        ? h(
            "button",
            {
              type: "button",
              className: "small",
              "data-testid": "older",
              onclick: () => showHistory(target, name, broker, all, all.at(-1).position, signal),
            },
            "Older messages",
          )
        : undefined;
    const list = h("ol", { className: "log", tabIndex: 0, "aria-label": "Stored messages" }, ...all.map(messageRow));
    show(target, list, h("p", { className: "more" }, older, refresh));
  } catch (cause) {
    if (signal.aborted) return;
    if (cause.code === "failed_precondition" && shown.length === 0) {
      show(target, empty("This topic has no history.", "A rule of the vhost gives it one."));
    } else
      show(
        target,
        failure(cause, () => showHistory(target, name, broker, [], "", signal)),
      );
  }
}

/** Row of a message in a list. */
export function messageRow({ event, id, payload, time }) {
  const text = decodePayload(payload);
  return h(
    "li",
    {},
    h("time", { dateTime: time, title: moment(time) }, clock(time)),
    event ? h("span", { className: "tag" }, event) : undefined,
    h("code", { title: `id ${id}` }, text ?? `${atob(payload ?? "").length} bytes that are not text`),
  );
}
