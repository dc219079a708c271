// Limits in rows and in characters, because 500 payloads of a megabyte each would exceed a tab's memory.
const MAX_ROWS = 500;
const MAX_CHARACTERS = 8_000_000;
// After drawing this many rows at once, the list rests REST times as long as that took, so that the page stays responsive.
const MANY_ROWS = 50;
const REST = 3;

/**
 * List element that shows the newest entries first, and draws at most once per animation frame. Entries that would have
 * been removed before they are drawn are never drawn.
 */
export class RollingList {
  #list;
  #renderRow;
  #waiting = [];
  #waitingSize = 0;
  #rows = [];
  #rowsSize = 0;
  #scheduled = false;
  #restUntil = 0;
  #held = false;
  #gap = false;

  constructor(list, renderRow) {
    this.#list = list;
    this.#renderRow = renderRow;
  }

  /** `size` is the size of the entry, in characters. */
  add(entry, size) {
    this.#waiting.push({ entry, size });
    this.#waitingSize += size;
    // Trimmed only at twice the limits, so that the cost of trimming is spread over many entries.
    if (this.#waiting.length > 2 * MAX_ROWS || this.#waitingSize > 2 * MAX_CHARACTERS) this.#cutWaiting();
    this.#schedule();
  }

  /** Stops or resumes drawing. The newest entries are kept while it is stopped. */
  hold(held) {
    this.#held = held;
    this.#schedule();
  }

  clear() {
    this.#waiting = [];
    this.#waitingSize = 0;
    this.#gap = false;
    this.#removeRows();
  }

  #schedule() {
    if (this.#scheduled || this.#held || this.#waiting.length === 0) return;
    this.#scheduled = true;
    const rest = this.#restUntil - performance.now();
    if (rest > 0) setTimeout(() => requestAnimationFrame(() => this.#draw()), rest);
    else requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#scheduled = false;
    if (this.#held) return;
    const began = performance.now();
    this.#cutWaiting();
    const added = this.#waiting;
    this.#waiting = [];
    this.#waitingSize = 0;
    // Entries in between were dropped, so the shown entries do not precede the new ones directly.
    if (this.#gap) this.#removeRows();
    this.#gap = false;

    const fragment = document.createDocumentFragment();
    for (const { entry, size } of added) {
      const row = this.#renderRow(entry);
      fragment.prepend(row);
      this.#rows.push({ row, size });
      this.#rowsSize += size;
    }
    this.#list.prepend(fragment);
    while (this.#rows.length > MAX_ROWS || (this.#rowsSize > MAX_CHARACTERS && this.#rows.length > 1)) {
      const { row, size } = this.#rows.shift();
      row.remove();
      this.#rowsSize -= size;
    }

    if (added.length < MANY_ROWS) return;
    // A timeout of 0 runs after the browser has laid out and painted, so that the cost includes both.
    setTimeout(() => {
      const now = performance.now();
      this.#restUntil = now + REST * (now - began);
    });
  }

  #cutWaiting() {
    let first = this.#waiting.length;
    let size = 0;
    while (first > 0 && this.#waiting.length - first < MAX_ROWS) {
      const next = size + this.#waiting[first - 1].size;
      if (next > MAX_CHARACTERS && size > 0) break;
      size = next;
      first--;
    }
    if (first > 0) {
      this.#waiting = this.#waiting.slice(first);
      this.#gap = true;
    }
    this.#waitingSize = size;
  }

  #removeRows() {
    this.#list.replaceChildren();
    this.#rows = [];
    this.#rowsSize = 0;
  }
}
