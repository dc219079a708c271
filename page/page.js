import { Connection } from "./connection.js";
import { element } from "./dom.js";
import { Latest } from "./latest.js";
import { ringBell, showConnection } from "./masthead.js";
import { PublishForm } from "./publish-form.js";
import { Topics } from "./topics.js";
import { Traffic } from "./traffic.js";
import { describeClose, parseTopicsLink } from "./wire.js";

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

const firstTopics = parseTopicsLink(location.href) ?? [FIRST_TOPIC];
const traffic = new Traffic((text) => connection.send(text));
const latest = new Latest(document.querySelector(".traffic"));
const topics = new Topics(connection);
const publishForm = new PublishForm({
  topics: connection.topics,
  join: (names) => topics.join(names),
  firstTopic: firstTopics[0] ?? FIRST_TOPIC,
});

// ---- State of the connection ----

const ANNOUNCED = {
  connected: "Connected.",
  reconnecting: "Disconnected, retrying.",
  disconnected: "Disconnected.",
};
let lastState;
/** Time at which the connection was lost, in milliseconds since the epoch; undefined while connected and before that. */
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
  // The countdown is not announced, because a screen reader would read it out every second.
  if (state.name in ANNOUNCED && state.name !== lastState?.name)
    element("announce").textContent = ANNOUNCED[state.name];
  lastState = state;
}

function showState(state) {
  // While connected, the end of the previous connection no longer matters.
  const lastClose = state.name === "connected" ? undefined : state.lastClose;
  showConnection(state.name, describeState(state), lastClose && describeClose(lastClose));
  element("retry").hidden = state.name !== "reconnecting";
}

function describeState(state) {
  switch (state.name) {
    case "connected":
      return "Connected";
    case "connecting":
      return state.attempt > 1 ? `Connecting, attempt ${state.attempt}` : "Connecting";
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
  // The button disappears, so the focus moves to another one.
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
