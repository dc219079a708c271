import { element, showResult } from "./dom.js";
import { post, refusal } from "./post.js";
import { hint } from "./values.js";

const NOT_SENT = "not sent: there is no connection";
const CONNECT_HEADERS = { "connect-protocol-version": "1" };

/** What can be sent with one click, and the editor for all that is to be sent in another way. */
export class Steps {
  #connection;
  #values;
  #note;
  #result = element("send-result");
  #editor = element("frame-input");
  #number = 0;

  /**
   * What a dialect's functions get beside the values. `ask` posts JSON and resolves to the answer, `asBackend` does so by
   * RPC, and `next` numbers what is to be told apart. What they ask of the server is shown among the frames.
   */
  tools = {
    ask: (path, body, headers) => this.#ask(path, body, headers),
    asBackend: (path, body) => this.#ask(path, body, { ...CONNECT_HEADERS, ...this.#values.headers }),
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

  /** What takes a while is not begun twice, and a refusal is shown as it comes. */
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

  async #ask(path, body, headers) {
    const { response, answer } = await post(path, body, headers);
    this.#note(`POST ${path} ${JSON.stringify(body)} → ${response.status} ${JSON.stringify(answer) ?? ""}`.trimEnd());
    if (response.ok && answer !== undefined) return answer;
    throw refusal({ response, answer });
  }
}
