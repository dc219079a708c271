import { element } from "./dom.js";

const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
const SWING = [0, 14, -11, 7, -4, 0].map((degrees) => ({ transform: `rotate(${degrees}deg)` }));
let swinging = false;

/** Shows how it stands with the connection: the state's name, the same in words, and how the last one ended, if one did. */
export function showConnection(name, words, lastClose) {
  const label = element("state");
  label.dataset.state = name;
  label.textContent = words;
  element("state-dot").dataset.state = name;
  element("toggle").textContent = name === "disconnected" ? "Connect" : "Disconnect";
  const close = element("last-close");
  close.hidden = lastClose === undefined;
  if (lastClose !== undefined) close.textContent = lastClose;
}

/** The bell swings when something is heard. */
export function ringBell() {
  if (swinging || reducedMotion.matches || document.hidden) return;
  swinging = true;
  const swing = element("bell").animate(SWING, { duration: 900, easing: "ease-in-out" });
  swing.addEventListener("finish", () => {
    swinging = false;
  });
}
