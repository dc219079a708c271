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
import { closeInWords } from "./wire.js";

/**
 * The page of each protocol that has one beside the native one's. A dialect is what its page says of it and
 *
 *     path           where it is spoken, unless the configuration says otherwise
 *     socketPath     (values, tools) → the path of the WebSocket, or a promise of it
 *     fields         what is to be typed beside the channel
 *     configuration  what the server's configuration needs for all of it to work
 *     steps          what can be done with one click: each has a `frame` or a `call`, made of (values, tools)
 *     reply          (text, values) → what is sent at once when this frame has come, or undefined
 *
 * `values` are what stands in the form's fields, by name. `tools` are those of {@link Steps}.
 */
const DIALECTS = { broadcaster, rootsocket, webrocket, socketio };

const STATES = { connected: "Connected", connecting: "Connecting", disconnected: "Disconnected" };
const SPOKEN = { connected: "Connected.", disconnected: "Disconnected." };
const LONGEST_DUMP_BYTES = 64;
const LONGEST_NOTE = 200;

const dialect = DIALECTS[location.pathname.split("/").at(-1)];
const frames = new Feed("frames", frameRow, "frames");
const feeds = new Feeds([frames]);
const latest = new Latest(document.querySelector(".traffic"));
const connection = new RawConnection({ onState, onFrame, onClosed, onFailed });
const values = new Values(dialect);
const steps = new Steps(dialect, { connection, values, note });
const publishing = new Publishing();

/** What happened between two frames. Tokens are long, and shown in full where they are sent. */
function note(text) {
  feeds.addFrame(frames, "note", shortened(text, LONGEST_NOTE));
}

function onState(state, url) {
  showConnection(state, STATES[state]);
  if (state === "connected") note(`connected to ${url}`);
  if (state in SPOKEN) element("announce").textContent = SPOKEN[state];
}

function onFrame(way, data) {
  const text = typeof data === "string" ? data : bytesInWords(data);
  feeds.addFrame(frames, way, text);
  if (way !== "received") return;
  latest.add({ payload: text });
  ringBell();
  const answer = typeof data === "string" ? dialect.reply?.(data, values.all) : undefined;
  if (answer !== undefined) connection.send(answer);
}

function onClosed(close) {
  showConnection("disconnected", STATES.disconnected, closeInWords(close));
  note(`closed ${close.code}${close.reason ? ` ${close.reason}` : ""}`);
}

/** There was something to be asked of the server first, and it was refused. */
function onFailed(error) {
  showConnection("disconnected", STATES.disconnected, `No connection: ${error.message}`);
  // There are the vhost and the key, and one of them is what is wrong.
  element("address").open = true;
}

function bytesInWords(buffer) {
  const bytes = new Uint8Array(buffer.slice(0, LONGEST_DUMP_BYTES));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const more = buffer.byteLength > LONGEST_DUMP_BYTES ? " …" : "";
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
