// Cursors of all visitors on one board. A client sends its place at most 25 times a second, and only while it moves.
import { createClient } from "carillon-client";
import { watchPresence } from "carillon-client/presence";
import { nodeUrl } from "./settings.js";

const $ = (id) => document.getElementById(id);
const STATUS = { connecting: "Connecting", connected: "Live", waiting: "Reconnecting", closed: "Stopped" };
const INTERVAL = 40;

const FIRST = ["Amber", "Brass", "Coral", "Dusky", "Early", "Fleet", "Gentle", "Hazel"];
const SECOND = ["Crane", "Finch", "Heron", "Lark", "Martin", "Plover", "Robin", "Swift"];
const choose = (list) => list[Math.floor(Math.random() * list.length)];

// Another window is another visitor; a reload is not.
const me = sessionStorage.getItem("name") ?? `${choose(FIRST)} ${choose(SECOND)} ${Math.floor(Math.random() * 1_000)}`;
sessionStorage.setItem("name", me);

const client = createClient(nodeUrl, { token: fetchToken });
const board = client.topic("cursors.board", { parse: readPlace });

async function fetchToken() {
  const response = await fetch("/login", { method: "POST", body: me });
  if (!response.ok) throw new Error(`login: ${response.status}`);
  return response.text();
}

/** Checks a place on the board: both coordinates are from 0 to 1. */
function readPlace(data) {
  const { x, y } = data ?? {};
  if (![x, y].every((value) => value >= 0 && value <= 1)) throw new TypeError("not a place");
  return { x, y };
}

client.on("state", ({ status }) => {
  $("connection").textContent = STATUS[status];
  $("connection").dataset.status = status;
});

// The others. The node writes the name of the publisher in front of each message's id.
const cursors = new Map();
board.on("message", ({ data, id }) => {
  const name = decodeURIComponent(id.slice(0, id.indexOf(":")));
  if (name === me) return;
  if (!cursors.has(name)) cursors.set(name, createCursor(name));
  place(cursors.get(name), data);
});
watchPresence(board, ({ members }) => {
  const names = new Set(members.map(({ user }) => user));
  for (const [name, cursor] of cursors) {
    if (names.has(name)) continue;
    cursor.remove();
    cursors.delete(name);
  }
  names.delete(me);
  $("people").textContent =
    names.size === 0 ? `You are ${me}. Nobody else is here.` : `You are ${me}, with ${[...names].join(", ")}.`;
});

// This visitor. Places between two messages are skipped; the last one is always sent.
let position = { x: 0.5, y: 0.5 };
let timer;
const own = createCursor(me);
own.classList.add("own");
own.hidden = true;

const clamp = (value) => Math.min(1, Math.max(0, value));

function move(x, y) {
  position = { x: clamp(x), y: clamp(y) };
  place(own, position);
  timer ??= setTimeout(send, INTERVAL);
}

async function send() {
  timer = undefined;
  // A place that cannot be sent now is of no use later.
  await board.publish(position, { offline: "refuse" }).catch(() => {});
}

$("board").addEventListener("pointermove", ({ clientX, clientY }) => {
  const { height, left, top, width } = $("board").getBoundingClientRect();
  move((clientX - left) / width, (clientY - top) / height);
});

const STEPS = { ArrowLeft: [-0.02, 0], ArrowRight: [0.02, 0], ArrowUp: [0, -0.02], ArrowDown: [0, 0.02] };
$("board").addEventListener("keydown", (event) => {
  const step = STEPS[event.key];
  if (!step) return;
  event.preventDefault();
  own.hidden = false;
  move(position.x + step[0], position.y + step[1]);
});

function createCursor(name) {
  const cursor = document.createElement("div");
  cursor.className = "cursor";
  cursor.dataset.name = name;
  cursor.style.setProperty("--hue", hueOf(name));
  cursor.innerHTML =
    '<svg viewBox="0 0 16 16" width="20" height="20" aria-hidden="true"><path d="M2 1v13l3.7-3.2 2.3 4.7 2.4-1.2L8 9.7h5.4z" /></svg>';
  cursor.append(Object.assign(document.createElement("span"), { textContent: name }));
  $("board").append(cursor);
  return cursor;
}

function place(cursor, { x, y }) {
  cursor.style.left = `${x * 100}%`;
  cursor.style.top = `${y * 100}%`;
}

function hueOf(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 360;
  return sum;
}
