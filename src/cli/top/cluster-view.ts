import type { NodeMetrics, NodeRates, WatchMetricsResponse } from "../../../gen/carillon/v1/metrics_pb.js";
import { paint, type TextStyle } from "../terminal/color.js";
import { formatTime } from "../terminal/format-time.js";
import { escapeControls } from "../terminal/print.js";
import { formatBytes, formatQuantity, formatUptime } from "./quantities.js";

/** Event loop delays from which a node is busy, and overloaded, in seconds. */
const BUSY_DELAY = 0.05;
const OVERLOADED_DELAY = 0.2;

/** Used share of a core from which a node is busy. */
const BUSY_CPU = 0.9;

export interface ViewSize {
  /** Lines; infinity: all nodes are shown. */
  readonly rows: number;
  /** Characters of a line; infinity: all columns are shown. */
  readonly columns: number;
  readonly colored: boolean;
}

interface Cell {
  readonly text: string;
  readonly style?: TextStyle | undefined;
}

interface Column {
  readonly head: string;
  /** Columns with higher numbers are left out first where the line is too long. */
  readonly rank: number;
  readonly isText?: true;
  readonly cell: (node: NodeMetrics, rates: NodeRates | undefined) => Cell;
}

const COLUMNS: readonly Column[] = [
  { head: "NODE", rank: 0, isText: true, cell: ({ id }) => ({ text: id }) },
  {
    head: "STATE",
    rank: 0,
    isText: true,
    cell: ({ notReady: [reason] }) =>
      reason === undefined ? { text: "ready", style: "green" } : { text: reason, style: "red" },
  },
  { head: "CLIENTS", rank: 0, cell: ({ connections }) => ({ text: formatQuantity(connections) }) },
  { head: "TOPICS", rank: 4, cell: ({ topics }) => ({ text: formatQuantity(topics) }) },
  { head: "SLOW", rank: 2, cell: ({ slowSessions }) => warn(formatQuantity(slowSessions), slowSessions > 0, "yellow") },
  { head: "IN/S", rank: 1, cell: (_node, rates) => rate(rates?.messagesIn) },
  { head: "OUT/S", rank: 1, cell: (_node, rates) => rate(rates?.messagesOut) },
  {
    head: "OUT B/S",
    rank: 5,
    cell: (_node, rates) => ({ text: rates === undefined ? "-" : formatBytes(rates.bytesOut) }),
  },
  {
    head: "DROPS/S",
    rank: 3,
    cell: (_node, rates) => ({ ...rate(rates?.drops), style: (rates?.drops ?? 0) > 0 ? "red" : undefined }),
  },
  {
    head: "CPU",
    rank: 2,
    cell: (_node, rates) =>
      rates === undefined ? { text: "-" } : warn(`${(rates.cpu * 100).toFixed(0)}%`, rates.cpu > BUSY_CPU, "yellow"),
  },
  {
    head: "LOOP P99",
    rank: 3,
    cell: ({ eventLoopDelayP99: delay }) => ({
      text: `${(delay * 1_000).toFixed(0)}ms`,
      style: delay > OVERLOADED_DELAY ? "red" : delay > BUSY_DELAY ? "yellow" : undefined,
    }),
  },
  { head: "MEMORY", rank: 4, cell: ({ memoryBytes }) => ({ text: formatBytes(Number(memoryBytes)) }) },
  { head: "WORKERS", rank: 6, cell: ({ workers }) => ({ text: formatQuantity(workers) }) },
  { head: "UPTIME", rank: 5, cell: ({ uptime }) => ({ text: formatUptime(Number(uptime?.seconds ?? 0n)) }) },
  { head: "VERSION", rank: 6, cell: ({ version }) => ({ text: version }) },
];

function rate(value: number | undefined): Cell {
  return { text: value === undefined ? "-" : formatQuantity(value) };
}

function warn(text: string, isBad: boolean, style: TextStyle): Cell {
  return { text, style: isBad ? style : undefined };
}

/** Draws the cluster as lines that fit into a terminal. @param trouble - why there are no newer readings; "" if there are */
export function drawCluster(answer: WatchMetricsResponse, size: ViewSize, trouble: string): string[] {
  const { missingNodes, nodes, time } = answer;
  const { colored, columns, rows } = size;
  const clock = formatTime(time).slice(11, 19);
  const notReady = nodes.filter((node) => node.notReady.length > 0).length;
  const title = [
    `${nodes.length} ${nodes.length === 1 ? "node" : "nodes"}`,
    ...(notReady > 0 ? [`${notReady} not ready`] : []),
    ...(missingNodes.length > 0 ? [`not answering: ${missingNodes.join(", ")}`] : []),
  ].join(", ");
  const top = [
    paint(cut(`carillon  ${clock} UTC  ${title}`, columns), "bold", colored),
    cut(summarizeCluster(nodes), columns),
    trouble === "" ? "" : paint(cut(escapeControls(trouble), columns), "red", colored),
  ];
  const places = Math.max(0, rows - top.length - 1);
  const isCut = nodes.length > places;
  const shown = isCut ? nodes.slice(0, Math.max(0, places - 1)) : nodes;
  const rest = isCut ? [cut(`… ${nodes.length - shown.length} more nodes`, columns)] : [];
  return [...top, ...drawTable(nodes, shown.length, size), ...rest].slice(0, rows);
}

function summarizeCluster(nodes: readonly NodeMetrics[]): string {
  const sum = (pick: (node: NodeMetrics) => number): number => nodes.reduce((total, node) => total + pick(node), 0);
  const hasRates = nodes.some(({ rates }) => rates !== undefined);
  const perSecond = (pick: (rates: NodeRates) => number, format = formatQuantity): string =>
    hasRates ? `${format(sum(({ rates }) => (rates === undefined ? 0 : pick(rates))))}/s` : "-";
  const parts = [
    `clients ${formatQuantity(sum(({ connections }) => connections))}`,
    `in ${perSecond(({ messagesIn }) => messagesIn)}`,
    `out ${perSecond(({ messagesOut }) => messagesOut)}`,
    perSecond(({ bytesOut }) => bytesOut, formatBytes),
    `drops ${perSecond(({ drops }) => drops)}`,
    `slow ${formatQuantity(sum(({ slowSessions }) => slowSessions))}`,
    `workers ${formatQuantity(sum(({ workers }) => workers))}`,
  ];
  return parts.join("   ");
}

/** @param shown - number of nodes that have lines; all of them determine the widths of the columns */
function drawTable(nodes: readonly NodeMetrics[], shown: number, { colored, columns: limit }: ViewSize): string[] {
  const table = COLUMNS.map(({ cell, head, isText, rank }) => {
    const cells = nodes.map((node) => {
      const { style, text } = cell(node, node.rates);
      return { style, text: escapeControls(text) };
    });
    return { head, isText, rank, cells, width: Math.max(head.length, ...cells.map(({ text }) => text.length)) };
  });
  let kept = table;
  const lineLength = (): number => kept.reduce((total, { width }) => total + width + 2, -2);
  while (lineLength() > limit) {
    const last = Math.max(...kept.map(({ rank }) => rank));
    if (last === 0) break;
    const index = kept.findLastIndex(({ rank }) => rank === last);
    kept = kept.toSpliced(index, 1);
  }
  const align = (text: string, { isText, width }: (typeof table)[number]): string =>
    isText === true ? text.padEnd(width) : text.padStart(width);
  const head = cut(kept.map((column) => align(column.head, column)).join("  "), limit);
  const isWhole = lineLength() <= limit;
  const lines = nodes.slice(0, shown).map((_, row) => {
    const cells = kept.map((column) => {
      const { style, text = "" } = column.cells[row] ?? {};
      const aligned = align(text, column);
      return style === undefined || !isWhole ? aligned : paint(aligned, style, colored);
    });
    return isWhole ? cells.join("  ") : cut(cells.join("  "), limit);
  });
  return [paint(head, "inverse", colored), ...lines];
}

function cut(text: string, columns: number): string {
  return text.length > columns ? `${text.slice(0, Math.max(0, columns - 1))}…` : text;
}
