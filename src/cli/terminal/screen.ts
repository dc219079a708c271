import type { Readable } from "node:stream";

const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[?25h\u001b[?1049l";

/** The terminal's alternate screen. Leaving it restores the previous contents. */
export class Screen {
  readonly #output: NodeJS.WriteStream;
  readonly #input: NodeJS.ReadStream;
  #isEntered = false;
  readonly #onResize: () => void;
  readonly #onKey: (data: Buffer) => void;

  constructor(events: { readonly onResize: () => void; readonly onKey: (key: string) => void }) {
    this.#output = process.stdout;
    this.#input = process.stdin;
    this.#onResize = events.onResize;
    this.#onKey = (data) => {
      events.onKey(data.toString("latin1"));
    };
  }

  get size(): { readonly rows: number; readonly columns: number } {
    // A terminal without a size has 0 of both.
    return { rows: this.#output.rows || 24, columns: this.#output.columns || 80 };
  }

  /** Replaces the contents. The first call enters the screen. */
  draw(lines: readonly string[]): void {
    if (!this.#isEntered) this.#enter();
    // Each line is cleared after its text, so that the screen does not flicker.
    this.#output.write(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join("\n")}\u001b[J`);
  }

  leave(): void {
    if (!this.#isEntered) return;
    this.#isEntered = false;
    this.#output.off("resize", this.#onResize);
    this.#output.write(LEAVE);
    if (!this.#input.isTTY) return;
    this.#input.off("data", this.#onKey).setRawMode(false);
    (this.#input as Readable).pause();
  }

  #enter(): void {
    this.#isEntered = true;
    this.#output.write(ENTER);
    this.#output.on("resize", this.#onResize);
    if (this.#input.isTTY) this.#input.setRawMode(true).on("data", this.#onKey).resume();
  }
}
