/** The element with this id. The page is one file with fixed ids, so a missing one is a mistake worth stopping for. */
export function element(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element #${id}`);
  return found;
}

/** Shows how something went: `kind` is good, bad or empty. A failure is brought in sight. */
export function showResult(target, kind, text) {
  target.dataset.kind = kind;
  target.textContent = text;
  if (kind === "bad") target.scrollIntoView({ block: "nearest" });
}

/** Runs `action` in the next animation frame, once, however often it was asked for until then. */
export function oncePerFrame(action) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      action();
    });
  };
}
