import { element } from "./dom.js";

const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
const SWING = [0, 14, -11, 7, -4, 0].map((degrees) => ({ transform: `rotate(${degrees}deg)` }));
let swinging = false;

/** Shows the state of the connection: its name, a description, and how the last connection ended. */
export function showConnection(name, description, lastClose) {
  const label = element("state");
  label.dataset.state = name;
  label.textContent = description;
  element("state-dot").dataset.state = name;
  element("toggle").textContent = name === "disconnected" ? "Connect" : "Disconnect";
  const close = element("last-close");
  close.hidden = lastClose === undefined;
  if (lastClose !== undefined) close.textContent = lastClose;
}

/** Swings the bell when a message arrives. */
export function ringBell() {
  if (swinging || reducedMotion.matches || document.hidden) return;
  swinging = true;
  const swing = element("bell").animate(SWING, { duration: 900, easing: "ease-in-out" });
  swing.addEventListener("finish", () => {
    swinging = false;
  });
}
