// A board of prices that change 1,000 times a second. A message only notes the new price; the page changes once in a frame.
import { createClient } from "carillon-client";
import { rewind } from "carillon-client/history";
import { nodeUrl } from "./settings.js";
import { SYMBOLS } from "./symbols.js";

const $ = (id) => document.getElementById(id);
const STATUS = { connecting: "Connecting", connected: "Live", waiting: "Reconnecting", closed: "Stopped" };

const client = createClient(nodeUrl);
client.on("state", ({ status }) => {
  $("connection").textContent = STATUS[status];
  $("connection").dataset.status = status;
});

/** Prices that the page does not show yet, by symbol. A newer price replaces an older one. */
const changed = new Map();
let frame;
/** Since the figures were shown last. */
let counts = { updates: 0, frames: 0, pause: 0 };
let skipped = 0;

for (const symbol of SYMBOLS) {
  const topic = client.topic(`price.${symbol}`, { getState: rewind(1), parse: readPrice });
  // The latest price: at first, and if there was no connection for longer than the history goes back.
  topic.on("state", ([latest]) => latest && update(symbol, latest.data));
  topic.on("message", ({ data, missed }) => {
    skipped += missed;
    update(symbol, data);
  });
}

function readPrice(data) {
  if (typeof data?.price !== "number") throw new TypeError("not a price");
  return data.price;
}

function update(symbol, price) {
  counts.updates += 1;
  changed.set(symbol, price);
  frame ??= requestAnimationFrame(draw);
}

const rows = new Map(SYMBOLS.map((symbol) => [symbol, createRow(symbol)]));
$("board").append(...[...rows.values()].map(({ item }) => item));

function createRow(symbol) {
  const item = document.createElement("li");
  item.dataset.symbol = symbol;
  const [name, price, change] = ["b", "span", "span"].map((tag) => document.createElement(tag));
  name.textContent = symbol;
  price.textContent = "–";
  item.append(name, price, change);
  return { item, price, change, first: undefined, shown: undefined };
}

function draw() {
  frame = undefined;
  for (const [symbol, price] of changed) {
    const row = rows.get(symbol);
    row.first ??= price;
    const change = (price / row.first - 1) * 100;
    row.price.textContent = price.toFixed(2);
    row.change.textContent = `${change < 0 ? "▼" : "▲"} ${Math.abs(change).toFixed(1)} %`;
    row.item.dataset.trend = change < 0 ? "down" : "up";
  }
  changed.clear();
}

// Figures: every frame counts, also one without a new price.
let lastFrame = performance.now();
let lastFigures = lastFrame;
requestAnimationFrame(function count(now) {
  counts.frames += 1;
  counts.pause = Math.max(counts.pause, now - lastFrame);
  lastFrame = now;
  if (now - lastFigures >= 1_000) {
    const seconds = (now - lastFigures) / 1_000;
    $("updates").textContent = Math.round(counts.updates / seconds).toLocaleString("en");
    $("frames").textContent = Math.round(counts.frames / seconds);
    $("pause").textContent = Math.round(counts.pause);
    $("skipped").textContent = skipped.toLocaleString("en");
    counts = { updates: 0, frames: 0, pause: 0 };
    lastFigures = now;
  }
  requestAnimationFrame(count);
});
// A hidden page has no frames.
document.addEventListener("visibilitychange", () => {
  lastFrame = performance.now();
});
