import { access } from "./access.js";
import { connections } from "./connections.js";
import { byId, failure, h, loading, show } from "./elements.js";
import { listVhosts, live, onLive, resetLive, runLive } from "./live.js";
import { overview } from "./overview.js";
import { publish } from "./publish.js";
import { endSession, listenForSignOut, readSession, scope } from "./rpc.js";
import { signIn } from "./sign-in.js";
import { topics } from "./topics.js";
import { vhosts } from "./vhosts.js";
import { workers } from "./workers.js";

/** Pages by the first segment of the address's fragment, in the order of the navigation. */
const PAGES = {
  overview: { title: "Overview", open: overview },
  topics: { title: "Topics", open: topics },
  connections: { title: "Connections", open: connections },
  workers: { title: "Workers", open: workers },
  access: { title: "Access", open: access },
  vhosts: { title: "Vhosts", open: vhosts },
  publish: { title: "Publish", open: publish },
};

const STATES = { connecting: "Connecting", connected: "Connected", disconnected: "Disconnected" };

/** The session of the dashboard; undefined until it is known. */
let session;
let running = new AbortController();
let opened = new AbortController();

listenForSignOut(() => {
  if (session?.required === true) void start();
});
addEventListener("hashchange", () => {
  openPage();
  // Screen readers and the keyboard continue at the new page.
  byId("view").focus({ preventScroll: true });
  scrollTo(0, 0);
});
byId("sign-out").addEventListener("click", () => {
  void endSession()
    .catch(() => {})
    .then(start);
});
byId("vhost").addEventListener("change", ({ target }) => {
  scope.vhost = target.value;
  openPage();
});
void start();

/** Shows the sign-in or the pages, as the session requires. */
async function start() {
  running.abort();
  opened.abort();
  resetLive();
  running = new AbortController();
  const { signal } = running;
  show(byId("view"), loading());
  try {
    session = await readSession();
  } catch (cause) {
    show(byId("view"), failure(cause, start));
    return;
  }
  const isIn = !session.required || session.signedIn !== undefined;
  for (const id of ["pages", "tools"]) byId(id).hidden = !isIn;
  byId("sign-out").hidden = session.signedIn === undefined;
  byId("outage").hidden = true;
  if (!isIn) {
    document.title = "Sign in – Carillon";
    signIn(byId("view"), session, start);
    return;
  }
  showPages();
  onLive(showState, signal);
  showState();
  void runLive(signal);
  openPage();
  await showVhosts(signal);
}

function showPages() {
  const links = Object.entries(PAGES).map(([name, { title }]) =>
    h("a", { href: `#/${name}`, "data-page": name }, title),
  );
  show(byId("pages"), links);
}

async function showVhosts(signal) {
  const paths = await listVhosts(signal);
  byId("vhost-label").hidden = paths.length < 2;
  show(
    byId("vhost"),
    paths.map((path) => h("option", { value: path, selected: path === (scope.vhost || "/") }, path)),
  );
}

function showState() {
  byId("state").textContent = STATES[live.state];
  byId("state").dataset.state = live.state;
  byId("state-dot").dataset.state = live.state;
  const outage = byId("outage");
  const isOut = live.state === "disconnected";
  if (outage.hidden !== isOut) return;
  outage.hidden = !isOut;
  outage.textContent = isOut ? "This node does not answer. What is shown may be out of date. Trying again …" : "";
}

/** Opens the page that the address names. */
function openPage() {
  const isIn = session !== undefined && (!session.required || session.signedIn !== undefined);
  if (!isIn) return;
  opened.abort();
  opened = new AbortController();
  const [name = "", ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const known = Object.hasOwn(PAGES, name) ? name : "overview";
  const { open, title } = PAGES[known];
  document.title = `${title} – Carillon`;
  for (const link of byId("pages").children) {
    if (link.dataset.page !== known) link.removeAttribute("aria-current");
    else {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "center" });
    }
  }
  open(byId("view"), { path: rest.map(decodeSegment), session, signal: opened.signal });
}

/** Decodes a part of the address. A malformed part stays as it is. */
function decodeSegment(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
