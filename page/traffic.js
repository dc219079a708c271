import { element, showResult } from "./dom.js";
import { Feed, Feeds } from "./feeds.js";
import { frameRow } from "./frame-rows.js";
import { gapRow } from "./gap-row.js";
import { detailOnOpen, messageRow } from "./rows.js";

/** Lists of messages and raw frames, and the tabs that switch between them. */
export class Traffic {
  #messages = new Feed(
    "messages",
    (entry) => (entry.from === undefined ? messageRow(entry) : gapRow(entry)),
    "received",
  );
  #frames = new Feed("frames", frameRow, "frames", "frame");
  #feeds = new Feeds([this.#messages, this.#frames]);
  #tabs = [
    { tab: element("tab-messages"), panel: element("panel-messages"), feed: this.#messages },
    { tab: element("tab-frames"), panel: element("panel-frames"), feed: this.#frames },
  ];

  /** `send` sends text as one frame. It returns false when the page is not connected. */
  constructor(send) {
    detailOnOpen(element("messages"));
    this.#listenToTabs();
    element("frame-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#sendTyped(element("frame-input"), send);
    });
  }

  addMessage(message) {
    this.#feeds.add(this.#messages, { ...message, receivedAt: Date.now() }, message.payload.length);
  }

  /** Marks a gap of the connection in the list of messages. */
  addGap(gap) {
    this.#feeds.add(this.#messages, gap, 0, false);
  }

  /** Shows a frame error of the server beside the input of frames. */
  showProblem(text) {
    showResult(element("frame-result"), "bad", text);
  }

  /** `way` is sent, received or note: a note is a remark of the page between two frames. */
  addFrame(way, text) {
    this.#feeds.addFrame(this.#frames, way, text);
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
    for (const { tab, panel } of this.#tabs) {
      const selected = tab === chosen.tab;
      tab.setAttribute("aria-selected", String(selected));
      tab.tabIndex = selected ? 0 : -1;
      panel.hidden = !selected;
    }
    this.#feeds.show(chosen.feed);
  }

  #sendTyped(input, send) {
    if (input.value === "") return;
    showResult(element("frame-result"), "", "");
    if (send(input.value)) input.value = "";
    else this.showProblem("Not sent: not connected.");
  }
}
