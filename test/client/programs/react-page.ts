// Bundled into a page by react.test.ts: a room in StrictMode, which mounts everything twice, and a button that removes it.
import { createElement, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { rewind } from "../../../client/src/history.js";
import { createClient, type Message } from "../../../client/src/index.js";
import { useConnection, usePresence, useTopic } from "../../../client/src/react.js";

const client = createClient(new URL(location.href).searchParams.get("ws") ?? "", { random: () => 0 });

const text = (list: readonly Message<string>[] | undefined) => list?.map(({ data }) => data).join(",") ?? "none";

function Room() {
  const { status } = useConnection(client);
  // New options in each render, as components have them.
  const { joined, messages, publish, state } = useTopic<string, readonly Message<string>[]>(client, "room", {
    getState: rewind(10),
    limit: 2,
  });
  const { count } = usePresence(client, "members");
  const [shown] = useState(() => new Date());
  return createElement(
    "main",
    { title: shown.toISOString() },
    createElement("p", { "data-testid": "status" }, status),
    createElement("p", { "data-testid": "joined" }, joined ? String(joined.recovered) : "not yet"),
    createElement("p", { "data-testid": "state" }, text(state)),
    createElement("p", { "data-testid": "messages" }, text(messages)),
    createElement("p", { "data-testid": "count" }, String(count)),
    createElement("button", { "data-testid": "publish", onClick: () => void publish("from the page") }, "Publish"),
  );
}

function App() {
  const [isShown, show] = useState(true);
  return createElement(
    StrictMode,
    null,
    isShown && createElement(Room),
    createElement("button", { "data-testid": "toggle", onClick: () => show(!isShown) }, "Toggle"),
  );
}

addEventListener("DOMContentLoaded", () => {
  const container = document.body.appendChild(document.createElement("div"));
  createRoot(container).render(createElement(App));
});
