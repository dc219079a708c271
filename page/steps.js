import { element, showResult } from "./dom.js";
import { post, refusal } from "./post.js";
import { hint } from "./values.js";

const NOT_SENT = "Not sent: not connected.";
const CONNECT_HEADERS = { "connect-protocol-version": "1" };

/** List of sample frames and calls, and the editor for other frames. */
export class Steps {
  #connection;
  #values;
  #note;
  #result = element("send-result");
  #editor = element("frame-input");
  #number = 0;

  /**
   * Functions for the dialects. `post` posts JSON and resolves to the answer, `call` calls an RPC method, and `next`
   * returns the next request number. The list of frames shows their requests.
   */
  tools = {
    post: (path, body, headers) => this.#post(path, body, headers),
    call: (path, body) => this.#post(path, body, { ...CONNECT_HEADERS, ...this.#values.headers }),
    next: () => ++this.#number,
  };

  /** `note` adds a line to the list of frames. */
  constructor({ steps }, { connection, note, values }) {
    this.#connection = connection;
    this.#values = values;
    this.#note = note;
    element("steps").append(...steps.map((step) => this.#row(step)));
    const form = element("frame-form");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#editor.value;
      if (text !== "" && !connection.send(text)) note(NOT_SENT);
    });
    this.#editor.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
  }

  #row(step) {
    const row = element("step-template").content.firstElementChild.cloneNode(true);
    const [name, edit, send] = row.children;
    name.textContent = step.name;
    if (step.aside !== undefined) name.append(" ", hint(step.aside));
    row.dataset.step = step.name;
    edit.setAttribute("aria-label", `Edit: ${step.name}`);
    send.setAttribute("aria-label", `${step.call ? "Call" : "Send"}: ${step.name}`);
    if (step.call) {
      edit.remove();
      send.textContent = "Call";
      send.addEventListener("click", () => void this.#do(send, () => step.call(this.#values.all, this.tools)));
      return row;
    }
    const make = () => step.frame(this.#values.all, this.tools);
    edit.addEventListener("click", () => void this.#do(edit, async () => this.#edit(await make())));
    send.addEventListener("click", () => void this.#do(send, async () => this.#send(await make())));
    return row;
  }

  /** Runs the action of a button, once at a time, and shows its error. */
  async #do(button, action) {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    showResult(this.#result, "", "");
    try {
      await action();
    } catch (error) {
      showResult(this.#result, "bad", error.message);
    } finally {
      button.removeAttribute("aria-disabled");
    }
  }

  #edit(text) {
    this.#editor.value = text;
    this.#editor.focus();
  }

  #send(text) {
    if (!this.#connection.send(text)) throw new Error(NOT_SENT);
  }

  async #post(path, body, headers) {
    const { response, answer } = await post(path, body, headers);
    this.#note(`POST ${path} ${JSON.stringify(body)} → ${response.status} ${JSON.stringify(answer) ?? ""}`.trimEnd());
    if (response.ok && answer !== undefined) return answer;
    throw refusal({ response, answer });
  }
}
