// A chat room with history, members and typing indicators. view.js shows it.
import { createClient, Unauthorized } from "carillon-client";
import { readHistory, rewind } from "carillon-client/history";
import { watchPresence } from "carillon-client/presence";
import { nodeUrl } from "./settings.js";
import * as view from "./view.js";

const PAGE = 50;
/** How often a client says that its user is typing, and how long the others show it, in milliseconds. */
const TYPING_INTERVAL = 2_000;
const TYPING_LIFE = 4_000;
const typists = new Map();
let toldAt = 0;

// Kept for a reload, and not shared with other windows, so that each may be another person.
const me = sessionStorage.getItem("name") ?? (await view.askName(fetchToken));
sessionStorage.setItem("name", me);
view.enter(me);

// The client calls `token` before each connect, and again before the token expires. What is sent while there is no
// connection waits for the next one.
const client = createClient(nodeUrl, { token: () => fetchToken(me), offline: "queue" });
const room = client.topic("room.lobby", { getState: rewind(PAGE) });
const typing = client.topic("typing.lobby");

async function fetchToken(name) {
  const response = await fetch("/login", { method: "POST", body: name });
  // Stops the client. Any other error is tried again.
  if (response.status === 400) throw new Unauthorized(await response.text());
  if (!response.ok) throw new Error(`login: ${response.status}`);
  return response.text();
}

/** Returns the user who published a message. The node writes it in front of the message's id, so that nobody can forge it. */
function senderOf({ id }) {
  return decodeURIComponent(id.slice(0, id.indexOf(":")));
}

function toEntry(message) {
  const { data, id, position, time } = message;
  const name = senderOf(message);
  return { id, name, isMine: name === me, text: String(data?.text ?? ""), time, position };
}

client.on("state", view.showConnection);
view.onToggle((isOnline) => (isOnline ? client.connect() : client.close()));

// Messages. `state` has the latest ones: at first, and whenever the node could not send all that was missed.
let warning = "";
room.on("state", (messages) => {
  if (warning) view.appendEntries(messages.map(toEntry), warning);
  else view.replaceEntries(messages.map(toEntry), messages.length === PAGE);
  warning = "";
});
room.on("message", (message) => {
  const entry = toEntry(message);
  view.addEntry(entry);
  endTyping(entry.name);
});
room.on("joined", ({ recovered, reason }) => {
  if (recovered) view.showNote("Back online. Nothing was missed.");
  else if (reason !== "first") warning = "Back online. Some messages may be missing.";
});
room.on("error", (error) => view.showNote(error.message));

view.onOlder(async (position) => {
  const { messages, more } = await readHistory(room, { limit: PAGE, before: position });
  return { entries: messages.map(toEntry), more };
});

view.onSend(async (text) => {
  const id = crypto.randomUUID();
  // The next letter begins another message.
  toldAt = 0;
  view.addUnsent(id, text);
  try {
    // The same id makes a repeat after a lost answer harmless.
    await room.publish({ text }, { id });
    view.endUnsent(id);
  } catch (error) {
    view.failUnsent(id, error.message);
  }
});

watchPresence(room, ({ members }) => view.showMembers([...new Set(members.map(({ user }) => user))].toSorted(), me));

// Typing.
view.onInput(async () => {
  if (Date.now() - toldAt < TYPING_INTERVAL) return;
  toldAt = Date.now();
  // An indicator that cannot be sent now is of no use later.
  await typing.publish(true, { offline: "refuse" }).catch(() => {});
});
typing.on("message", (message) => {
  const name = senderOf(message);
  if (name === me) return;
  endTyping(name);
  typists.set(name, setTimeout(endTyping, TYPING_LIFE, name));
  view.showTyping([...typists.keys()]);
});

function endTyping(name) {
  clearTimeout(typists.get(name));
  typists.delete(name);
  view.showTyping([...typists.keys()]);
}
