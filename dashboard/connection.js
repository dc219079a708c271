import { empty, facts, failure, h, loading, pageHead, panel, show } from "./elements.js";
import { ago, count, moment } from "./format.js";
import { call } from "./rpc.js";
import { topicLink } from "./topics.js";

const GET = "carillon.v1.ControlService/GetConnection";
const DISCONNECT = "carillon.v1.ControlService/Disconnect";
const ACTIONS = ["join", "publish", "call", "presence", "history"];

/** Shows one connection: who it is, its topics and its permissions. */
export function connection(view, { path: [id], session, signal }) {
  const body = h("div", { className: "stack" }, loading());
  const result = h("p", { className: "result", role: "status", "data-testid": "disconnect-result" });
  const disconnect = session.actions ? disconnectButton(id, result) : undefined;
  show(
    view,
    h("p", { className: "crumb" }, h("a", { href: "#/connections" }, "Connections")),
    pageHead(id, disconnect),
    result,
    body,
  );
  void showConnection(body, id, signal);
}

async function showConnection(target, id, signal) {
  try {
    const { connection: found, permissions = {}, topics = [] } = await call(GET, { id }, { signal });
    const entries = [
      ["User", found.user || "anonymous"],
      ["Dialect", found.dialect],
      ["Address", found.address],
      ["Node", h("code", {}, found.node)],
      ["Connected", `${ago(found.connected)} (${moment(found.connected)})`],
      ["Expires", found.expires && moment(found.expires)],
      ["Published", `${count(found.published)} messages`],
      ["Software", found.userAgent],
      ["Info", found.infoJson && found.infoJson !== "{}" ? h("code", {}, found.infoJson) : undefined],
    ];
    const reload = h(
      "button",
      { type: "button", className: "small", onclick: () => showConnection(target, id, signal) },
      "Read again",
    );
    show(
      target,
      panel("Client", facts(entries, "connection-facts"), h("p", { className: "more" }, reload)),
      h(
        "div",
        { className: "columns" },
        panel(`Topics (${count(topics.length)})`, topicList(topics)),
        panel("Permissions", permissionList(permissions)),
      ),
    );
  } catch (cause) {
    if (signal.aborted) return;
    if (cause.code === "not_found")
      show(target, empty("This client is not connected.", "It may have reconnected under another id."));
    else
      show(
        target,
        failure(cause, () => showConnection(target, id, signal)),
      );
  }
}

function topicList(topics) {
  if (topics.length === 0) return empty("It has joined no topics that you may see.");
  return h(
    "ul",
    { className: "names", "data-testid": "connection-topics" },
    ...topics.map(({ broker, topic }) => h("li", {}, h("a", { href: topicLink(topic, broker) }, topic))),
  );
}

function permissionList(permissions) {
  const granted = ACTIONS.filter((action) => (permissions[action] ?? []).length > 0);
  if (granted.length === 0) return empty("None of its own.", "It may do what the topics' rules allow to everybody.");
  const patterns = (action) => permissions[action].map((pattern) => h("code", { className: "pattern" }, pattern));
  return facts(
    granted.map((action) => [action, h("span", {}, ...patterns(action))]),
    "connection-permissions",
  );
}

/** A button that asks once more before it disconnects. */
function disconnectButton(id, result) {
  const button = h("button", { type: "button", className: "danger", "data-testid": "disconnect" }, "Disconnect");
  let isSure = false;
  const ask = (sure) => {
    isSure = sure;
    button.textContent = sure ? "Disconnect for good: are you sure?" : "Disconnect";
  };
  button.addEventListener("blur", () => ask(false));
  button.addEventListener("click", async () => {
    if (!isSure) {
      ask(true);
      return;
    }
    ask(false);
    try {
      const { connections = 0 } = await call(DISCONNECT, { target: { connectionId: id } });
      result.dataset.kind = connections > 0 ? "good" : "bad";
      result.textContent =
        connections > 0 ? "Disconnected. The client was told not to reconnect." : "It was not connected any more.";
      button.disabled = connections > 0;
    } catch (cause) {
      result.dataset.kind = "bad";
      result.textContent = `${cause.message}.`;
    }
  });
  return button;
}
