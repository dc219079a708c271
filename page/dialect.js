import { broadcaster } from "./broadcaster.js";
import { element } from "./dom.js";
import { Feed, Feeds } from "./feeds.js";
import { frameRow } from "./frame-rows.js";
import { Latest } from "./latest.js";
import { ringBell, showConnection } from "./masthead.js";
import { Publishing } from "./publishing.js";
import { RawConnection } from "./raw-connection.js";
import { rootsocket } from "./rootsocket.js";
import { shortened } from "./row-parts.js";
import { socketio } from "./socketio.js";
import { Steps } from "./steps.js";
import { Values } from "./values.js";
import { webrocket } from "./webrocket.js";
import { describeClose } from "./wire.js";

/**
 * Dialects with a page of their own. Each has a `title`, a description `about`, and
 *
 *     path           default path of the dialect
 *     socketPath     (values, tools) → path of the WebSocket, or a promise of it
 *     fields         fields of the form besides the channel
 *     configuration  settings that the server needs for all of the page to work
 *     steps          sample frames and calls: each has a function `frame` or `call` of (values, tools)
 *     reply          (text, values) → answer to a received frame, or undefined
 *
 * `values` are the values of the form's fields, by name. `tools` are those of {@link Steps}.
 */
const DIALECTS = { broadcaster, rootsocket, webrocket, socketio };

const STATES = { connected: "Connected", connecting: "Connecting", disconnected: "Disconnected" };
const ANNOUNCED = { connected: "Connected.", disconnected: "Disconnected." };
const MAX_DUMP_BYTES = 64;
const MAX_NOTE = 200;

const dialect = DIALECTS[location.pathname.split("/").at(-1)];
const frames = new Feed("frames", frameRow, "frames", "frame");
const feeds = new Feeds([frames]);
const latest = new Latest(document.querySelector(".traffic"));
const connection = new RawConnection({ onState, onFrame, onClosed, onFailed });
const values = new Values(dialect);
const steps = new Steps(dialect, { connection, values, note });
const publishing = new Publishing();

/** Adds a note between two frames. It is truncated, because tokens are long, and shown in full in the frames that carry them. */
function note(text) {
  feeds.addFrame(frames, "note", shortened(text, MAX_NOTE));
}

function onState(state, url) {
  showConnection(state, STATES[state]);
  if (state === "connected") note(`connected to ${url}`);
  if (state in ANNOUNCED) element("announce").textContent = ANNOUNCED[state];
}

function onFrame(way, data) {
  const text = typeof data === "string" ? data : describeBytes(data);
  feeds.addFrame(frames, way, text);
  if (way !== "received") return;
  latest.add({ payload: text });
  ringBell();
  const answer = typeof data === "string" ? dialect.reply?.(data, values.all) : undefined;
  if (answer !== undefined) connection.send(answer);
}

function onClosed(close) {
  showConnection("disconnected", STATES.disconnected, describeClose(close));
  note(`closed ${close.code}${close.reason ? ` ${close.reason}` : ""}`);
}

/** Shows why the address of the WebSocket could not be found, such as a refused token. */
function onFailed(error) {
  showConnection("disconnected", STATES.disconnected, `Connection failed: ${error.message}`);
  // The vhost or the key is probably wrong, so the page shows their fields.
  element("address").open = true;
}

function describeBytes(buffer) {
  const bytes = new Uint8Array(buffer.slice(0, MAX_DUMP_BYTES));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const more = buffer.byteLength > MAX_DUMP_BYTES ? " …" : "";
  return `(binary frame, ${buffer.byteLength.toLocaleString("en")} bytes) ${hex}${more}`;
}

function connect() {
  void connection.connect(async () => {
    const url = new URL(await dialect.socketPath(values.all, steps.tools), location.origin);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    return url.href;
  });
}

function showDialect() {
  const { about, configuration, title } = dialect;
  document.title = `${title} · Carillon`;
  element("title").textContent = title;
  element("about").textContent = about;
  element("configuration").hidden = configuration === undefined;
  for (const link of document.querySelectorAll(".protocols a")) {
    if (link.getAttribute("href") === location.pathname) link.setAttribute("aria-current", "page");
  }
  const show = () => {
    if (configuration === undefined) return;
    element("why").textContent = configuration.why;
    element("lines").textContent = configuration.lines.replace("VHOST", values.all.vhost);
  };
  values.onChange(show);
  show();
}

element("toggle").addEventListener("click", () => {
  if (connection.state === "disconnected") connect();
  else connection.disconnect();
});

element("publish-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const [name, payload] = ["publish-event", "publish-payload"].map((id) => element(id).value);
  void publishing.publish({ topic: values.all.channel, event: name.trim(), payload }, values.headers);
});

showDialect();
connect();
