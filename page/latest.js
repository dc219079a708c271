import { element, oncePerFrame } from "./dom.js";
import { shortened } from "./row-parts.js";
import { toneOf } from "./tones.js";

const SHORT_PAYLOAD = 100;

/**
 * Strip at the bottom with the newest entry, shown while the list is out of view, as on a phone. An entry is a message,
 * or only a `payload` where frames are not parsed.
 */
export class Latest {
  #strip = element("latest");
  #message;
  #listInSight = true;
  #showSoon = oncePerFrame(() => this.#show());

  constructor(list) {
    new IntersectionObserver(([{ isIntersecting }]) => {
      this.#listInSight = isIntersecting;
      // Only messages that arrive while the list is out of view justify covering the page.
      this.#message = undefined;
      this.#showSoon();
    }).observe(list);
    this.#strip.addEventListener("click", () => list.scrollIntoView());
  }

  add(message) {
    if (this.#listInSight) return;
    this.#message = message;
    this.#showSoon();
  }

  #show() {
    const message = this.#message;
    this.#strip.hidden = message === undefined;
    if (message === undefined) return;
    const [, where, payload] = this.#strip.children;
    where.hidden = message.topic === undefined;
    if (message.topic !== undefined) {
      this.#strip.className = `latest ${toneOf(message.topic)}`;
      where.lastElementChild.textContent = message.topic;
    }
    payload.classList.toggle("base64", message.base64 === true);
    payload.textContent = shortened(message.payload, SHORT_PAYLOAD);
  }
}
