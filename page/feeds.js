import { element, oncePerFrame } from "./dom.js";
import { RollingList } from "./rolling-list.js";

/** List of entries, with their number and rate. */
export class Feed {
  #plural;
  #singular;
  #total = 0;
  #before = 0;
  #rate = 0;
  list;

  /** `id` is the id of the list element; `plural` and `singular` name the counted entries. */
  constructor(id, renderRow, plural, singular = plural) {
    this.list = new RollingList(element(id), renderRow);
    this.#plural = plural;
    this.#singular = singular;
  }

  count() {
    this.#total++;
  }

  clear() {
    this.list.clear();
    this.#total = 0;
    this.#before = 0;
  }

  measureRate() {
    this.#rate = this.#total - this.#before;
    this.#before = this.#total;
  }

  tally() {
    const parts = [];
    const noun = this.#total === 1 ? this.#singular : this.#plural;
    if (this.#total > 0) parts.push(`${this.#total.toLocaleString("en")} ${noun}`);
    if (this.#rate > 0) parts.push(`${this.#rate.toLocaleString("en")}/s`);
    return parts;
  }
}

/** Shows one of several feeds, with pause, clear and the counter above it. */
export class Feeds {
  #feeds;
  #shown;
  #paused = false;
  #tallySoon = oncePerFrame(() => this.#showTally());

  /** Shows the first feed. */
  constructor(feeds) {
    this.#feeds = feeds;
    element("pause").addEventListener("click", ({ currentTarget }) => this.#pause(currentTarget));
    element("clear").addEventListener("click", () => {
      this.#shown.clear();
      this.#showTally();
    });
    setInterval(() => {
      for (const feed of feeds) feed.measureRate();
      this.#showTally();
    }, 1_000);
    this.show(feeds[0]);
  }

  /** `size` is the size of the entry, in characters. Only `counted` entries are included in the counter. */
  add(feed, entry, size, counted = true) {
    if (counted) feed.count();
    feed.list.add(entry, size);
    this.#tallySoon();
  }

  /** `way` is sent, received or note: a note is a remark of the page between two frames. */
  addFrame(feed, way, text) {
    this.add(feed, { way, text, at: Date.now() }, text.length, way !== "note");
  }

  show(chosen) {
    this.#shown = chosen;
    for (const feed of this.#feeds) feed.list.hold(this.#paused || feed !== chosen);
    this.#showTally();
  }

  #pause(button) {
    this.#paused = !this.#paused;
    button.textContent = this.#paused ? "Resume" : "Pause";
    button.classList.toggle("on", this.#paused);
    this.show(this.#shown);
  }

  #showTally() {
    const parts = this.#shown.tally();
    if (this.#paused) parts.push("paused");
    element("tally").textContent = parts.join(" · ");
  }
}
