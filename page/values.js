import { element } from "./dom.js";
import { topicsOfLink } from "./wire.js";

const FIRST_CHANNEL = "hello";

/** What stands in the fields that everything on the page is made of. Nothing of it is kept. */
export class Values {
  #fields = new Map(["channel", "path", "vhost", "key"].map((name) => [name, element(name)]));

  /** Puts the dialect's own fields into the page, and into the others what they begin with. */
  constructor({ fields = [], path }) {
    for (const field of fields) this.#fields.set(field.name, addField(field));
    for (const { form } of this.#fields.values()) form.addEventListener("submit", stay);
    this.#fields.get("path").value = path;
    this.#fields.get("channel").value = topicsOfLink(location.href)?.[0] ?? FIRST_CHANNEL;
  }

  /** By the fields' names; secrets as they are typed, all else without the white space around it. */
  get all() {
    const typed = [...this.#fields].map(([name, { type, value }]) => [
      name,
      type === "password" ? value : value.trim(),
    ]);
    const values = Object.fromEntries(typed);
    return { ...values, vhost: values.vhost || "/" };
  }

  /** What says in a call by RPC who calls, and for which vhost. */
  get headers() {
    const { key, vhost } = this.all;
    return { "carillon-vhost": vhost, ...(key === "" ? {} : { authorization: `Bearer ${key}` }) };
  }

  /** Calls with each character that is typed. */
  onChange(listener) {
    for (const field of this.#fields.values()) field.addEventListener("input", listener);
  }
}

/** The Enter key in a form's only field would send it, and there is nothing to send. */
function stay(event) {
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

/** Text that stands beside what it is about. */
export function hint(text) {
  const aside = document.createElement("span");
  aside.className = "aside";
  aside.textContent = text;
  return aside;
}
