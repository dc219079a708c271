import { element, oncePerFrame } from "./dom.js";
import { RollingList } from "./rolling-list.js";
import { detailOnOpen, frameRow, messageRow } from "./rows.js";

/** The two lists, messages and raw frames, with what belongs to both: tabs, pause, clear and the tally. */
export class Traffic {
  #messages = { list: new RollingList(element("messages"), messageRow), total: 0, before: 0, rate: 0, noun: "heard" };
  #frames = { list: new RollingList(element("frames"), frameRow), total: 0, before: 0, rate: 0, noun: "frames" };
  #tabs = [
    { tab: element("tab-messages"), panel: element("panel-messages"), feed: this.#messages },
    { tab: element("tab-frames"), panel: element("panel-frames"), feed: this.#frames },
  ];
  #shown = this.#tabs[0];
  #paused = false;
  #tallySoon = oncePerFrame(() => this.#showTally());

  /** `send` sends text as one frame, and tells whether it could. */
  constructor(send) {
    detailOnOpen(element("messages"));
    this.#listenToTabs();
    element("pause").addEventListener("click", ({ currentTarget }) => this.#pause(currentTarget));
    element("clear").addEventListener("click", () => this.#clear());
    element("frame-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#sendTyped(element("frame-input"), send);
    });
    setInterval(() => this.#measureRates(), 1_000);
    this.#show(this.#shown);
  }

  addMessage(message) {
    this.#messages.total++;
    this.#messages.list.add({ ...message, heardAt: Date.now() }, message.payload.length);
    this.#tallySoon();
  }

  /** `way` is sent, received or note: a note is the page's own word on what happened between two frames. */
  addFrame(way, text) {
    if (way !== "note") this.#frames.total++;
    this.#frames.list.add({ way, text, at: Date.now() }, text.length);
    this.#tallySoon();
  }

  #listenToTabs() {
    for (const [index, entry] of this.#tabs.entries()) {
      entry.tab.addEventListener("click", () => this.#show(entry));
      entry.tab.addEventListener("keydown", ({ key }) => {
        if (key !== "ArrowLeft" && key !== "ArrowRight") return;
        const other = this.#tabs[1 - index];
        this.#show(other);
        other.tab.focus();
      });
    }
  }

  #show(chosen) {
    this.#shown = chosen;
    for (const { tab, panel, feed } of this.#tabs) {
      const selected = feed === chosen.feed;
      tab.setAttribute("aria-selected", String(selected));
      tab.tabIndex = selected ? 0 : -1;
      panel.hidden = !selected;
      feed.list.hold(this.#paused || !selected);
    }
    this.#showTally();
  }

  #pause(button) {
    this.#paused = !this.#paused;
    button.textContent = this.#paused ? "Resume" : "Pause";
    button.classList.toggle("on", this.#paused);
    this.#show(this.#shown);
  }

  #clear() {
    const { feed } = this.#shown;
    feed.list.clear();
    feed.total = 0;
    feed.before = 0;
    this.#showTally();
  }

  #sendTyped(input, send) {
    if (input.value === "") return;
    if (send(input.value)) input.value = "";
    else this.addFrame("note", "not sent: there is no connection");
  }

  #measureRates() {
    for (const { feed } of this.#tabs) {
      feed.rate = feed.total - feed.before;
      feed.before = feed.total;
    }
    this.#showTally();
  }

  #showTally() {
    const { total, rate, noun } = this.#shown.feed;
    const parts = [];
    if (total > 0) parts.push(`${total.toLocaleString("en")} ${noun}`);
    if (rate > 0) parts.push(`${rate.toLocaleString("en")}/s`);
    if (this.#paused) parts.push("paused");
    element("tally").textContent = parts.join(" · ");
  }
}
