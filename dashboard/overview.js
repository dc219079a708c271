import { LiveChart } from "./charts.js";
import { failure, h, isSelecting, loading, pageHead, show, table } from "./elements.js";
import { bytes, count, duration, milliseconds, rate, toSeconds } from "./format.js";
import { live, onLive } from "./live.js";

/** Shows the nodes of the cluster and what they do. */
export function overview(view, { signal }) {
  const tiles = h("dl", { className: "tiles", "data-testid": "tiles" });
  const notices = h("div", { className: "notices", "data-testid": "notices" });
  const nodes = h("div", {});
  const charts = [
    new LiveChart("Messages per second", {
      series: [
        { name: "messagesIn", label: "in", color: "tone-1" },
        { name: "messagesOut", label: "out", color: "tone-0" },
      ],
      format: rate,
      signal,
    }),
    new LiveChart("Connections", {
      series: [{ name: "connections", label: "open", color: "tone-2" }],
      format: count,
      isWhole: true,
      signal,
    }),
    new LiveChart("Event loop delay, worst node", {
      series: [{ name: "delay", label: "at most", color: "tone-5" }],
      format: toMilliseconds,
      signal,
    }),
    new LiveChart("CPU cores in use", {
      series: [{ name: "cpu", label: "all nodes", color: "tone-4" }],
      format: toCores,
      signal,
    }),
  ];
  const body = h("div", { className: "stack" }, loading("Waiting for the first readings"));
  show(view, pageHead("Overview"), body);
  let isShown = false;
  const update = () => {
    if (live.last === undefined) {
      if (live.refusal !== undefined) show(body, failure(live.refusal));
      return;
    }
    if (!isShown) {
      show(body, notices, tiles, nodes, h("div", { className: "charts" }, ...charts.map(({ element }) => element)));
      isShown = true;
    }
    body.classList.toggle("stale", live.state !== "connected");
    showTiles(tiles, live.last);
    showNotices(notices, live.last);
    showNodes(nodes, live.last);
    for (const chart of charts) chart.update();
  };
  onLive(update, signal);
  update();
}

function showTiles(target, { nodes = [] }) {
  const sum = (read) => nodes.reduce((total, node) => total + Number(read(node) ?? 0), 0);
  const hasRates = nodes.every(({ rates }) => rates !== undefined);
  const sumRate = (name) => (hasRates ? rate(sum(({ rates }) => rates[name])) : "–");
  const tiles = [
    ["Nodes", count(nodes.length)],
    ["Connections", count(sum(({ connections }) => connections))],
    [
      "Subscriptions",
      count(sum(({ subscriptions }) => subscriptions)),
      `${count(Math.max(0, ...nodes.map(({ topics = 0 }) => topics)))} topics on the fullest node`,
    ],
    ["Messages in / s", sumRate("messagesIn"), `${count(sum(({ counters }) => counters?.messagesIn))} in all`],
    ["Messages out / s", sumRate("messagesOut"), `${count(sum(({ counters }) => counters?.messagesOut))} in all`],
    ["Slow sessions", count(sum(({ slowSessions }) => slowSessions)), `${count(sum(countDrops))} messages dropped`],
  ];
  show(
    target,
    tiles.map(([name, value, note]) =>
      h(
        "div",
        {},
        h("dt", {}, name),
        h("dd", {}, h("strong", {}, value), note && h("span", { className: "aside" }, note)),
      ),
    ),
  );
}

function countDrops({ counters }) {
  return Object.values(counters?.drops ?? {}).reduce((total, dropped) => total + Number(dropped), 0);
}

function showNotices(target, { missingNodes = [], nodes = [] }) {
  const notices = [
    ...missingNodes.map((id) => `Node ${id} does not answer.`),
    ...nodes.flatMap(({ id, notReady = [] }) => notReady.map((reason) => `Node ${id} is not ready: ${reason}.`)),
    ...nodes
      .filter(({ clusterConnected }) => clusterConnected !== true)
      .map(({ id }) => `Node ${id} cannot reach the other nodes.`),
  ];
  const texts = [...target.children].map(({ textContent }) => textContent);
  // Unchanged notices are not read out again.
  if (texts.join("\n") !== notices.join("\n"))
    show(
      target,
      notices.map((text) => h("p", { className: "notice", role: "status" }, text)),
    );
}

function showNodes(target, { node: asked, nodes = [] }) {
  if (isSelecting(target)) return;
  const columns = [
    {
      title: "Node",
      cell: ({ id }) =>
        h("span", {}, h("code", {}, id), id === asked ? h("span", { className: "tag" }, "this node") : ""),
    },
    { title: "State", cell: nodeState },
    { title: "Version", cell: ({ version }) => version },
    { title: "Uptime", cell: ({ uptime }) => duration(toSeconds(uptime)), number: true },
    { title: "Connections", cell: ({ connections }) => count(connections), number: true },
    { title: "Topics", cell: ({ topics }) => count(topics), number: true },
    { title: "In / s", cell: ({ rates }) => (rates === undefined ? "–" : rate(rates.messagesIn)), number: true },
    { title: "Out / s", cell: ({ rates }) => (rates === undefined ? "–" : rate(rates.messagesOut)), number: true },
    { title: "Slow", cell: ({ slowSessions }) => count(slowSessions), number: true },
    { title: "Dropped", cell: (row) => count(countDrops(row)), number: true },
    { title: "Loop delay", cell: ({ eventLoopDelayP99 }) => milliseconds(eventLoopDelayP99), number: true },
    { title: "CPU", cell: ({ rates }) => (rates === undefined ? "–" : toCores(rates.cpu)), number: true },
    { title: "Memory", cell: ({ memoryBytes }) => bytes(memoryBytes), number: true },
    { title: "Brokers", cell: ({ brokers = [] }) => brokers.map(brokerState) },
  ];
  const scrolled = target.firstElementChild?.scrollLeft ?? 0;
  const hadFocus = target.contains(document.activeElement);
  show(target, table("Nodes", columns, nodes, "nodes"));
  target.firstElementChild.scrollLeft = scrolled;
  if (hadFocus) target.firstElementChild.focus();
}

function nodeState({ notReady = [] }) {
  return notReady.length === 0 ? mark("good", "ready") : mark("wait", "not ready");
}

function brokerState({ connected, driver, name }) {
  return mark(
    connected === true ? "good" : "bad",
    `${name}${name === driver ? "" : ` (${driver})`}${connected === true ? "" : " lost"}`,
  );
}

function mark(kind, text) {
  return h("span", { className: `mark-text ${kind}` }, text);
}

function toCores(value = 0) {
  return value.toFixed(2);
}

function toMilliseconds(value) {
  return `${value < 10 ? value.toFixed(1) : count(value)} ms`;
}
