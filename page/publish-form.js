import { element } from "./dom.js";
import { snippets } from "./publish.js";
import { Publishing } from "./publishing.js";

const COPIED_FOR_MS = 1_500;

/** Form that publishes, with the equivalent code to copy. */
export class PublishForm {
  #topic = element("publish-topic");
  #event = element("publish-event");
  #payload = element("publish-payload");
  #publishing = new Publishing();
  #topics;

  /** `topics` is the connection's map; `join` joins a list of names. */
  constructor({ topics, join, firstTopic }) {
    this.#topics = topics;
    this.#topic.value = firstTopic;
    const form = element("publish-form");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#publishing.publish(this.#values());
    });
    form.addEventListener("input", () => this.show());
    this.#payload.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      form.requestSubmit();
    });
    element("join-unheard").addEventListener("click", () => {
      join([this.#values().topic]);
      this.#payload.focus();
    });
    for (const button of document.querySelectorAll("[data-copy]")) {
      button.addEventListener("click", () => void copy(button));
    }
  }

  /** Updates the parts that depend on the form and on the joined topics. */
  show() {
    const values = this.#values();
    element("unheard").hidden = values.topic === "" || this.#topics.has(values.topic);
    for (const [name, text] of Object.entries(snippets(values, location.origin))) {
      element(`snippet-${name}`).textContent = text;
    }
  }

  #values() {
    return { topic: this.#topic.value.trim(), event: this.#event.value.trim(), payload: this.#payload.value };
  }
}

async function copy(button) {
  const source = element(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    // Pages without TLS have no clipboard access, so the text is selected for copying by keyboard.
    getSelection().selectAllChildren(source);
    button.textContent = "Selected";
  }
  setTimeout(() => {
    button.textContent = "Copy";
  }, COPIED_FOR_MS);
}
