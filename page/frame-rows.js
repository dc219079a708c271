// Rows of raw frames. Received data enters the page as text, never as markup.

import { shortened, showTime } from "./row-parts.js";

const SHORT_FRAME = 2_000;

const WAYS = {
  sent: ["→", "sent"],
  received: ["←", "received"],
  note: ["·", "note"],
};

const frameTemplate = document.querySelector("#frame-template").content.firstElementChild;

/** Creates the row of one raw frame. A very long frame is truncated until the user opens it. */
export function frameRow({ way, text, at }) {
  const row = frameTemplate.cloneNode(true);
  const [time, sign, code] = row.children;
  const [arrow, name] = WAYS[way];
  row.dataset.way = way;
  showTime(time, at);
  sign.textContent = arrow;
  sign.title = name;
  sign.setAttribute("role", "img");
  sign.setAttribute("aria-label", name);
  code.textContent = shortened(text, SHORT_FRAME);
  if (text.length > SHORT_FRAME) code.after(showAll(code, text));
  return row;
}

function showAll(code, text) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "small";
  button.textContent = `Show all ${text.length.toLocaleString("en")} characters`;
  button.addEventListener("click", () => {
    code.textContent = text;
    button.remove();
  });
  return button;
}
