import { empty, failure, h, isSelecting, loading, show } from "./elements.js";

/** Time between two reads of a list that has one page, in milliseconds. */
const REFRESH = 5_000;

/**
 * Shows a list page by page, in a target of its own. A list of one page is read again every few seconds.
 * @param read - reads the page after a token: resolves with `rows`, `next` (a token, or "") and `missing` (nodes)
 * @param draw - creates the element that shows rows
 * @param none - text and hint for an empty list
 */
export class PagedList {
  #read;
  #draw;
  #none;
  #signal;
  #rows = [];
  #next = "";
  /** Aborts reads that a newer one replaces. */
  #current = new AbortController();
  #timer;

  constructor({ draw, none, read, signal }) {
    this.#read = read;
    this.#draw = draw;
    this.#none = none;
    this.#signal = signal;
    this.element = h("div", { className: "stack" }, loading());
    signal.addEventListener("abort", () => {
      this.#current.abort();
      clearTimeout(this.#timer);
    });
  }

  /** Reads the list from its beginning. @param quiet - keeps what is shown until the answer comes */
  async load(quiet = false) {
    if (!quiet) show(this.element, loading());
    await this.#readPage("", (rows) => rows);
  }

  async #readPage(token, combine) {
    clearTimeout(this.#timer);
    this.#current.abort();
    this.#current = new AbortController();
    const { signal } = this.#current;
    try {
      const { missing = [], next, rows } = await this.#read(token, signal);
      if (signal.aborted) return;
      this.#rows = combine(rows);
      this.#next = next;
      if (!isSelecting(this.element)) this.#show(missing);
    } catch (cause) {
      if (signal.aborted) return;
      // What is shown stays while the node does not answer; the page says so.
      if (cause.code !== "unreachable" || this.#rows.length === 0)
        show(
          this.element,
          failure(cause, () => this.load()),
        );
    }
    const isWhole = this.#next === "" && token === "";
    if (isWhole && !this.#signal.aborted) this.#timer = setTimeout(() => void this.load(true), REFRESH);
  }

  #show(missing) {
    const notice =
      missing.length === 0
        ? undefined
        : h("p", { className: "notice" }, `Incomplete: ${missing.join(", ")} did not answer.`);
    if (this.#rows.length === 0) {
      show(this.element, notice, empty(...this.#none()));
      return;
    }
    const { activeElement } = document;
    const scrolled = this.element.querySelector(".scroll")?.scrollLeft ?? 0;
    const focused = this.element.contains(activeElement) ? activeElement.dataset.key : undefined;
    const more =
      this.#next === ""
        ? undefined
        : h("button", { type: "button", onclick: () => this.#readMore(), "data-testid": "more" }, "Load more");
    show(this.element, notice, this.#draw(this.#rows), more && h("p", { className: "more" }, more));
    const region = this.element.querySelector(".scroll");
    if (region !== null) region.scrollLeft = scrolled;
    if (focused !== undefined) this.element.querySelector(`[data-key=${CSS.escape(focused)}]`)?.focus();
  }

  #readMore() {
    return this.#readPage(this.#next, (rows) => [...this.#rows, ...rows]);
  }
}

/** A form of filters, which calls `onChange` with their values when it is submitted. */
export function filterForm(fields, onChange) {
  const form = h(
    "form",
    {
      className: "filters",
      role: "search",
      onsubmit: (event) => {
        event.preventDefault();
        onChange();
      },
    },
    ...fields,
    h("button", { type: "submit", className: "primary", "data-testid": "search" }, "Search"),
  );
  return form;
}
