import { describe, empty, field, h, show } from "./elements.js";
import { count, decodePayload } from "./format.js";
import { stream } from "./rpc.js";
import { messageRow } from "./topic.js";

const SUBSCRIBE = "carillon.v1.SubscribeService/Subscribe";
/** Messages kept; older ones are removed. */
const KEPT = 500;
/** Messages shown. */
const SHOWN = 200;
const RETRY = 2_000;

/** Shows the messages of a topic as they come, with a filter. It begins and ends when the user says so. */
export class LiveTail {
  #name;
  #broker;
  #running;
  #received = 0;
  #messages = [];
  #scheduled = false;
  #list = h("div", {});
  #status = h(
    "p",
    { className: "aside", "data-testid": "tail-state" },
    "Not running. While it runs, it counts as a session of the topic.",
  );
  #toggle = h("button", { type: "button", className: "primary", "data-testid": "tail-toggle" }, "Start");
  #filter = h("input", { id: "tail-filter", type: "search", spellcheck: false, "data-testid": "tail-filter" });

  constructor(name, broker, signal) {
    this.#name = name;
    this.#broker = broker;
    const clear = h("button", { type: "button", onclick: () => this.#clear() }, "Clear");
    this.#toggle.addEventListener("click", () => (this.#running === undefined ? this.#start() : this.#stop()));
    this.#filter.addEventListener("input", () => this.#show());
    this.element = h(
      "section",
      { className: "panel" },
      h("h2", {}, "Live messages"),
      h(
        "div",
        { className: "filters" },
        field("Only with this text", this.#filter, "in the payload or event"),
        this.#toggle,
        clear,
      ),
      this.#status,
      this.#list,
    );
    signal.addEventListener("abort", () => this.#running?.abort());
  }

  async #start() {
    const running = new AbortController();
    this.#running = running;
    this.#toggle.textContent = "Stop";
    this.#status.textContent = "Subscribing …";
    this.#show();
    while (!running.signal.aborted) {
      try {
        await this.#run(running.signal);
      } catch (cause) {
        if (running.signal.aborted) return;
        if (cause.code !== "unreachable" && cause.code !== "unavailable") {
          this.#stop(describe(cause));
          return;
        }
        this.#status.textContent = "Interrupted: messages may be missing. Trying again …";
      }
      await new Promise((resolve) => {
        setTimeout(resolve, RETRY);
      });
    }
  }

  async #run(signal) {
    for await (const { dropped = [], messages = [], subscribed } of stream(
      SUBSCRIBE,
      { topics: [this.#name], broker: this.#broker },
      signal,
    )) {
      if (subscribed !== undefined) this.#status.textContent = "Running.";
      for (const { messages: lost } of dropped)
        this.#status.textContent = `${count(lost)} messages were dropped: this page reads too slowly.`;
      for (const message of messages) this.#add(message);
    }
  }

  #stop(reason = "Stopped.") {
    this.#running?.abort();
    this.#running = undefined;
    this.#toggle.textContent = "Start";
    this.#status.textContent = reason;
  }

  #add(message) {
    this.#received += 1;
    this.#messages.unshift({
      ...message,
      text: `${message.event ?? ""}\n${decodePayload(message.payload) ?? ""}`.toLowerCase(),
    });
    if (this.#messages.length > KEPT) this.#messages.pop();
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#show();
    });
  }

  #clear() {
    this.#messages = [];
    this.#received = 0;
    this.#show();
  }

  #show() {
    const wanted = this.#filter.value.trim().toLowerCase();
    const found = this.#messages.filter(({ text }) => text.includes(wanted));
    if (found.length === 0) {
      const text = this.#messages.length === 0 ? "No messages yet." : "No message has this text.";
      show(this.#list, this.#running === undefined && this.#messages.length === 0 ? undefined : empty(text));
      return;
    }
    const rows = found.slice(0, SHOWN).map(messageRow);
    show(
      this.#list,
      h(
        "p",
        { className: "aside" },
        `${count(this.#received)} received, ${count(found.length)} of the last ${count(this.#messages.length)} shown`,
      ),
      h("ol", { className: "log", tabIndex: 0, "aria-label": "Live messages", "data-testid": "tail" }, ...rows),
    );
  }
}
