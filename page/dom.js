/** Finds an element by its id. @throws Error when it is missing, because the page has fixed ids */
export function element(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element #${id}`);
  return found;
}

/** Shows the result of an action: `kind` is good, bad or empty. A failure is scrolled into view. */
export function showResult(target, kind, text) {
  target.dataset.kind = kind;
  target.textContent = text;
  if (kind === "bad") target.scrollIntoView({ block: "nearest" });
}

/** Returns a function that schedules `action` for the next animation frame, at most once per frame. */
export function oncePerFrame(action) {
  let scheduled = false;
  return () => {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      action();
    });
  };
}
