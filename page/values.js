import { element } from "./dom.js";
import { parseTopicsLink } from "./wire.js";

const FIRST_CHANNEL = "hello";

/** Values of the page's fields. They are not stored. */
export class Values {
  #fields = new Map(["channel", "path", "vhost", "key"].map((name) => [name, element(name)]));

  /** Adds the dialect's own fields to the page, and sets the initial values of the others. */
  constructor({ fields = [], path }) {
    for (const field of fields) this.#fields.set(field.name, addField(field));
    for (const { form } of this.#fields.values()) form.addEventListener("submit", preventSubmit);
    this.#fields.get("path").value = path;
    this.#fields.get("channel").value = parseTopicsLink(location.href)?.[0] ?? FIRST_CHANNEL;
  }

  /** Values by field name; trimmed, except for secrets. */
  get all() {
    const typed = [...this.#fields].map(([name, { type, value }]) => [
      name,
      type === "password" ? value : value.trim(),
    ]);
    const values = Object.fromEntries(typed);
    return { ...values, vhost: values.vhost || "/" };
  }

  /** Headers of an RPC call for the key and the vhost. */
  get headers() {
    const { key, vhost } = this.all;
    return { "carillon-vhost": vhost, ...(key === "" ? {} : { authorization: `Bearer ${key}` }) };
  }

  /** Registers a listener for every change of a field. */
  onChange(listener) {
    for (const field of this.#fields.values()) field.addEventListener("input", listener);
  }
}

/** Prevents the Enter key from submitting a form with a single field. */
function preventSubmit(event) {
  event.preventDefault();
}

function addField({ aside, label, name, secret }) {
  const row = element("field-template").content.firstElementChild.cloneNode(true);
  const [caption, field] = row.children;
  caption.htmlFor = name;
  caption.append(label, " ", hint(aside));
  field.id = name;
  field.dataset.testid = name;
  if (secret) field.type = "password";
  element("fields").append(row);
  return field;
}

/** Creates a note beside a field. */
export function hint(text) {
  const aside = document.createElement("span");
  aside.className = "aside";
  aside.textContent = text;
  return aside;
}
