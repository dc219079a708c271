import { Connection } from "./connection.js";
import { element } from "./dom.js";
import { Latest } from "./latest.js";
import { ringBell, showConnection } from "./masthead.js";
import { PublishForm } from "./publish-form.js";
import { Topics } from "./topics.js";
import { Traffic } from "./traffic.js";
import { closeInWords, topicsOfLink } from "./wire.js";

const FIRST_TOPIC = "hello";

const socketUrl = new URL("/ws?meta=1", location.origin);
socketUrl.protocol = location.protocol === "https:" ? "wss:" : "ws:";

const connection = new Connection(socketUrl.href, {
  onState: (state) => stateChanged(state),
  onTopics: () => {
    topics.show();
    publishForm.show();
  },
  onMessage: (message) => {
    traffic.addMessage(message);
    latest.add(message);
    topics.countSoon();
    ringBell();
  },
  onFrame: (way, text) => traffic.addFrame(way, text),
  onProblem: (problem) => {
    if (problem.topics === undefined) traffic.showProblem(problem.message);
    else topics.showProblem(problem);
  },
});

const firstTopics = topicsOfLink(location.href) ?? [FIRST_TOPIC];
const traffic = new Traffic((text) => connection.send(text));
const latest = new Latest(document.querySelector(".traffic"));
const topics = new Topics(connection);
const publishForm = new PublishForm({
  topics: connection.topics,
  join: (names) => topics.join(names),
  firstTopic: firstTopics[0] ?? FIRST_TOPIC,
});

// ---- The connection's state ----

const SPOKEN = {
  connected: "Connected.",
  reconnecting: "Not connected, trying again.",
  disconnected: "Disconnected.",
};
let lastState;
/** When the connection was lost, in milliseconds since the epoch; undefined while there is one, and before the first. */
let awaySince;

function stateChanged(state) {
  showState(state);
  if (state.lastClose !== undefined && state.lastClose !== lastState?.lastClose) {
    const { code, reason } = state.lastClose;
    traffic.addFrame("note", `closed ${code}${reason ? ` ${reason}` : ""}`);
  }
  if (state.name === "connected") {
    traffic.addFrame("note", `connected to ${socketUrl.href}`);
    if (awaySince !== undefined) traffic.addGap({ from: awaySince, to: Date.now() });
    awaySince = undefined;
  } else if (lastState?.name === "connected") awaySince = Date.now();
  // The countdown is for the eye only: read out once a second it would drown everything else.
  if (state.name in SPOKEN && state.name !== lastState?.name) element("announce").textContent = SPOKEN[state.name];
  lastState = state;
}

function showState(state) {
  // How the last connection ended is no news once there is a new one.
  const lastClose = state.name === "connected" ? undefined : state.lastClose;
  showConnection(state.name, stateInWords(state), lastClose && closeInWords(lastClose));
  element("retry").hidden = state.name !== "reconnecting";
}

function stateInWords(state) {
  switch (state.name) {
    case "connected":
      return "Connected";
    case "connecting":
      return state.attempt > 1 ? `Connecting, try ${state.attempt}` : "Connecting";
    case "reconnecting":
      return `Reconnecting in ${Math.max(1, Math.ceil((state.at - Date.now()) / 1_000))} s`;
    default:
      return "Disconnected";
  }
}

setInterval(() => {
  if (connection.state.name === "reconnecting") showState(connection.state);
}, 250);

element("toggle").addEventListener("click", () => {
  if (connection.state.name === "disconnected") connection.connect();
  else connection.disconnect();
});

element("retry").addEventListener("click", () => {
  connection.connect();
  // The button goes away with the wait: the keyboard must not be left nowhere.
  element("toggle").focus();
});

function retryWhenSeen() {
  if (document.hidden) return;
  if (connection.state.name === "reconnecting") connection.connect();
  else connection.probe();
}
addEventListener("online", retryWhenSeen);
document.addEventListener("visibilitychange", retryWhenSeen);

topics.join(firstTopics);
connection.connect();
