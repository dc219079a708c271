import { showTime } from "./row-parts.js";

const template = document.querySelector("#gap-template").content.firstElementChild;

/** Creates the row for a time without a connection, from `from` to `to` in milliseconds since the epoch. */
export function gapRow({ from, to }) {
  const row = template.cloneNode(true);
  const [time, text] = row.children;
  showTime(time, to);
  const seconds = Math.max(1, Math.round((to - from) / 1_000)).toLocaleString("en");
  text.textContent = `Disconnected for ${seconds} s: messages published in that time are missing.`;
  return row;
}
