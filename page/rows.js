// Rows of messages. Received data enters the page as text, never as markup.

import { shortened, showTime } from "./row-parts.js";
import { toneOf } from "./tones.js";

const SHORT_PAYLOAD = 300;
const MAX_DUMP_BYTES = 1_024;

const messageTemplate = document.querySelector("#message-template").content.firstElementChild;
const messagesOfRows = new WeakMap();

/** Creates the row of one message; its details are created when the row is opened. */
export function messageRow(message) {
  const row = messageTemplate.cloneNode(true);
  const [time, where, payload, event] = row.querySelector("summary").children;
  row.dataset.topic = message.topic;
  row.classList.add(toneOf(message.topic));
  showTime(time, message.time === undefined ? message.receivedAt : Date.parse(message.time));
  where.lastElementChild.textContent = message.topic;
  if (message.event) event.textContent = message.event;
  else event.remove();
  if (message.base64) payload.classList.add("base64");
  payload.textContent = shortened(message.payload, SHORT_PAYLOAD);
  messagesOfRows.set(row, message);
  return row;
}

/** Fills rows of this list with their details when they are opened. */
export function detailOnOpen(list) {
  // `toggle` does not bubble, so it is handled in the capture phase.
  list.addEventListener(
    "toggle",
    ({ target }) => {
      if (!target.open || target.querySelector(".detail") !== null) return;
      target.append(messageDetail(messagesOfRows.get(target.closest("li"))));
    },
    true,
  );
}

function messageDetail(message) {
  const detail = document.createElement("div");
  detail.className = "detail";
  const body = document.createElement("pre");
  body.textContent = message.base64 ? hexDump(message.payload) : pretty(message.payload);
  const facts = document.createElement("dl");
  const size = message.base64 ? atob(message.payload).length : new TextEncoder().encode(message.payload).length;
  addFact(facts, "topic", message.topic);
  if (message.event) addFact(facts, "event", message.event);
  if (message.id) addFact(facts, "id", message.id);
  if (message.time) addFact(facts, "time", message.time);
  addFact(facts, "size", `${size.toLocaleString("en")} bytes${message.base64 ? ", not UTF-8" : ""}`);
  detail.append(body, facts);
  return detail;
}

function addFact(list, term, value) {
  const name = document.createElement("dt");
  name.textContent = term;
  const text = document.createElement("dd");
  text.textContent = value;
  list.append(name, text);
}

/** Indents JSON, and returns other text unchanged. It does not parse and print, which would round large numbers. */
function pretty(text) {
  if (!/^\s*[[{]/.test(text) || !isJson(text)) return text;
  let depth = 0;
  let indented = "";
  for (const [token] of text.matchAll(JSON_TOKEN)) {
    if (token === "{" || token === "[") indented += token + lineBreak(++depth);
    else if (token === "}" || token === "]") indented += lineBreak(--depth) + token;
    else if (token === ",") indented += token + lineBreak(depth);
    else if (token === ":") indented += ": ";
    else indented += token;
  }
  return indented;
}

// Matches strings, empty brackets (which stay on one line), punctuation, and runs of other characters except white space.
const JSON_TOKEN = /"(?:[^"\\]|\\.)*"|\{\s*\}|\[\s*\]|[{}[\],:]|[^\s{}[\],:"]+/g;

function lineBreak(depth) {
  return `\n${"  ".repeat(depth)}`;
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function hexDump(base64) {
  const bytes = Array.from(atob(base64).slice(0, MAX_DUMP_BYTES), (character) => character.charCodeAt(0));
  const lines = [];
  for (let start = 0; start < bytes.length; start += 16) {
    const part = bytes.slice(start, start + 16);
    const hex = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const plain = part.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${start.toString(16).padStart(4, "0")}  ${hex.padEnd(47)}  ${plain}`);
  }
  return lines.join("\n");
}
