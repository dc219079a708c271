import { copyButton, describe, field, h, pageHead, panel, show } from "./elements.js";
import { call, scope } from "./rpc.js";
import { snippets } from "./snippets.js";

const PUBLISH = "websockets.v1.BroadcastService/Publish";

/** Publishes a test message, and shows the code that publishes it. */
export function publish(view, { path: [given = ""], session, signal }) {
  const topic = h("input", {
    id: "publish-topic",
    value: given,
    required: true,
    placeholder: "orders.42",
    spellcheck: false,
    "data-testid": "publish-topic",
  });
  const event = h("input", {
    id: "publish-event",
    placeholder: "order.paid",
    spellcheck: false,
    "data-testid": "publish-event",
  });
  const payload = h("textarea", {
    id: "publish-payload",
    rows: 5,
    spellcheck: false,
    "data-testid": "publish-payload",
  });
  payload.value = '{"hello":"world"}';
  const result = h("p", { className: "result", role: "status", "data-testid": "publish-result" });
  const code = h("div", { className: "stack", "data-testid": "snippets" });
  const read = (name) => ({
    topics: [name],
    ...(event.value.trim() === "" ? {} : { event: event.value.trim() }),
    text: payload.value,
  });
  const showCode = () => {
    const texts = snippets(read(topic.value.trim() || topic.placeholder), {
      http: location.origin,
      vhost: scope.vhost,
    });
    show(
      code,
      texts.map(({ text, title }) =>
        h(
          "figure",
          { className: "snippet" },
          h(
            "figcaption",
            {},
            title,
            copyButton(() => text),
          ),
          h("pre", { className: "code", tabIndex: 0, role: "region", "aria-label": title }, text),
        ),
      ),
    );
  };
  const form = h(
    "form",
    {
      oninput: showCode,
      onsubmit: async (submitted) => {
        submitted.preventDefault();
        result.dataset.kind = "";
        result.textContent = "";
        try {
          const { receipts = [] } = await call(PUBLISH, { messages: [read(topic.value.trim())] }, { signal });
          const [{ id, stage = "" } = {}] = receipts;
          result.dataset.kind = "good";
          result.textContent = `Published${stage && ` (${stage.replace("STAGE_", "").toLowerCase()})`}${id === undefined ? "" : `, id ${id}`}.`;
        } catch (cause) {
          if (signal.aborted) return;
          result.dataset.kind = "bad";
          result.textContent = describe(cause);
        }
      },
    },
    h("div", { className: "pair" }, field("Topic", topic), field("Event", event, "optional")),
    field("Payload", payload, "text or JSON"),
    session.actions
      ? h(
          "div",
          { className: "submit" },
          h("button", { type: "submit", className: "primary", "data-testid": "publish-button" }, "Publish"),
        )
      : h(
          "p",
          { className: "aside", "data-testid": "read-only" },
          "This dashboard only reads: publish with the code beside, or turn on admin.actions.",
        ),
    result,
  );
  show(
    view,
    pageHead("Publish"),
    h(
      "div",
      { className: "columns" },
      panel("Test message", form),
      panel(
        "The same in code",
        h("p", { className: "aside" }, "gRPC is on port 6001 unless the node is configured otherwise."),
        code,
      ),
    ),
  );
  showCode();
}
