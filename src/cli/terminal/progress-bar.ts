import { paint, usesColor } from "./color.js";

const WIDTH = 24;

/** Bar in the last line of stderr. Shows nothing where stderr is not a terminal. */
export class ProgressBar {
  readonly #stream = process.stderr;
  #isShown = false;

  /** @param done - share, 0 to 1 @param text - words after the bar */
  show(label: string, done: number, text: string): void {
    if (!this.#stream.isTTY) return;
    const full = Math.round(Math.min(1, Math.max(0, done)) * WIDTH);
    const bar = paint("█".repeat(full), "green", usesColor(this.#stream)) + "░".repeat(WIDTH - full);
    // A terminal without a size has 0 columns.
    const left = (this.#stream.columns || 80) - label.length - WIDTH - 3;
    this.#stream.write(`\r\u001b[K${label} ${bar} ${text.slice(0, Math.max(0, left))}`);
    this.#isShown = true;
  }

  clear(): void {
    if (this.#isShown) this.#stream.write("\r\u001b[K");
    this.#isShown = false;
  }
}
