import { element, showResult } from "./dom.js";
import { describeReceipts, publish } from "./publish.js";

/** Publishes and shows the result. */
export class Publishing {
  #result = element("publish-result");
  #turn = 0;

  /** Publishes like `publish`, and shows a failure instead of rejecting. */
  async publish(message, headers) {
    const turn = ++this.#turn;
    const began = performance.now();
    let kind = "good";
    let text;
    try {
      text = describeReceipts(await publish(message, headers), performance.now() - began);
    } catch (error) {
      kind = "bad";
      text = error.message;
    }
    // A late answer must not replace a newer one.
    if (turn === this.#turn) showResult(this.#result, kind, text);
  }
}
