import { element, oncePerFrame, showResult } from "./dom.js";
import { toneOf } from "./tones.js";
import { parseTopicsLink, splitTopics, toTopicsLink } from "./wire.js";

const template = element("topic-template").content.firstElementChild;

/** Topics of the page: the form that joins, one chip for each topic, and the link that carries them. */
export class Topics {
  #connection;
  #chips = new Map();
  /** Topics whose join failed temporarily, while the page shows that. */
  #troubled = [];

  /** Requests an update of the counters. */
  countSoon = oncePerFrame(() => this.#showCounts());

  constructor(connection) {
    this.#connection = connection;
    element("join-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#joinTyped(element("join-input"));
    });
    addEventListener("hashchange", () => this.#follow(parseTopicsLink(location.href) ?? []));
  }

  join(names) {
    this.#troubled = [];
    showResult(element("join-result"), "", "");
    this.#connection.join(names);
  }

  /** Updates the chips and the link from the connection. */
  show() {
    const { topics } = this.#connection;
    for (const [name, chip] of this.#chips) if (!topics.has(name)) this.#removeChip(name, chip);
    for (const [name, { status }] of topics) {
      const chip = this.#chips.get(name) ?? this.#addChip(name);
      chip.item.dataset.status = status;
      chip.leave.disabled = status === "leaving";
    }
    element("no-topics").hidden = topics.size > 0;
    this.#forgetTrouble(topics);
    const lasting = [...topics.keys()].filter((name) => topics.get(name).status !== "leaving");
    history.replaceState(null, "", toTopicsLink(lasting));
    this.countSoon();
  }

  showProblem({ code, message, topics }) {
    const about = topics.length > 0 ? `${topics.join(", ")}: ` : "";
    const why = code === undefined ? "refused" : `${code}${message ? `: ${message}` : ""}`;
    this.#troubled = code === "unavailable" ? topics : [];
    const then = this.#troubled.length > 0 ? " (retrying)" : "";
    showResult(element("join-result"), "bad", about + why + then);
  }

  #forgetTrouble(topics) {
    if (this.#troubled.length === 0 || this.#troubled.some((name) => topics.get(name)?.status === "joining")) return;
    this.#troubled = [];
    showResult(element("join-result"), "", "");
  }

  #joinTyped(input) {
    const names = splitTopics(input.value);
    input.value = "";
    if (names.length > 0) this.join(names);
    else showResult(element("join-result"), "bad", "Name at least one topic.");
  }

  #follow(wanted) {
    for (const name of this.#connection.topics.keys()) if (!wanted.includes(name)) this.#connection.leave(name);
    // Joined one by one, so that an invalid topic in a link does not affect the others.
    for (const name of wanted) this.join([name]);
  }

  #showCounts() {
    for (const [name, { count }] of this.#chips) {
      count.textContent = (this.#connection.topics.get(name)?.count ?? 0).toLocaleString("en");
    }
  }

  #addChip(name) {
    const item = template.cloneNode(true);
    const chip = { item, count: item.querySelector(".count"), leave: item.querySelector(".leave") };
    item.dataset.topic = name;
    item.classList.add(toneOf(name));
    item.querySelector(".name").textContent = name;
    chip.leave.dataset.testid = `leave-${name}`;
    chip.leave.setAttribute("aria-label", `Leave ${name}`);
    chip.leave.addEventListener("click", () => this.#connection.leave(name));
    element("topics").append(item);
    this.#chips.set(name, chip);
    return chip;
  }

  #removeChip(name, { item, leave }) {
    // The pressed button disappears, so the focus moves to another element.
    const focused = document.activeElement;
    const next = (item.nextElementSibling ?? item.previousElementSibling)?.querySelector(".leave");
    item.remove();
    this.#chips.delete(name);
    if (focused === leave || focused === document.body) (next ?? element("join-input")).focus();
  }
}
