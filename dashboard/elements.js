/**
 * Creates an element. Members of `properties` are set as properties; those that begin with `data-` or `aria-`, `role` and
 * `for` as attributes, and functions that begin with `on` as listeners. Texts are never parsed as HTML.
 */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (/^(?:data-|aria-)|^(?:role|for|scope|colspan)$/.test(key)) element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...toNodes(children));
  return element;
}

/** Replaces what an element contains. */
export function show(target, ...children) {
  target.replaceChildren(...toNodes(children));
}

function toNodes(children) {
  return children
    .flat()
    .filter((child) => child !== undefined)
    .map((child) => (typeof child === "string" ? escapeFormats(child) : child));
}

/** Replaces characters that change how others look, such as their direction. Those that join letters stay. */
function escapeFormats(text) {
  return text.replaceAll(
    /(?![\u200c\u200d])[\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0).toString(16)}}`,
  );
}

/** Finds an element by its id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Title of a page, with controls beside it. */
export function pageHead(title, ...controls) {
  return h("div", { className: "head" }, h("h1", {}, title), ...controls);
}

/** A titled panel. */
export function panel(title, ...children) {
  return h("section", { className: "panel" }, h("h2", {}, title), ...children);
}

/** Placeholder while data is on its way. */
export function loading(text = "Loading") {
  return h("p", { className: "placeholder", role: "status" }, h("span", { className: "spinner" }), `${text} …`);
}

/** Explanation of an empty list. */
export function empty(text, hint) {
  return h(
    "div",
    { className: "placeholder", "data-testid": "empty" },
    h("p", {}, text),
    hint && h("p", { className: "aside" }, hint),
  );
}

/** An error with a button that tries again. */
export function failure(cause, retry) {
  const again = retry && h("button", { type: "button", className: "small", onclick: retry }, "Try again");
  return h(
    "div",
    { className: "placeholder bad", role: "alert", "data-testid": "failure" },
    h("p", {}, describe(cause)),
    again,
  );
}

/** Describes an error for an operator. */
export function describe({ code, message }) {
  if (code === "unreachable") return "The node does not answer.";
  const text = escapeFormats(message);
  return code === "permission_denied" ? `Not permitted: ${text}.` : `${text}.`;
}

/**
 * A table that scrolls sideways where it is too wide.
 * @param columns - each with `title`, `cell(row)`, and optionally `number` (aligned right) or `minor` (hidden on phones)
 */
export function table(label, columns, rows, testId) {
  const head = columns.map((column) => h("th", { scope: "col", className: classOf(column) }, column.title));
  const body = rows.map((row) =>
    h("tr", {}, ...columns.map((column) => h("td", { className: classOf(column) }, column.cell(row) ?? ""))),
  );
  return h(
    "div",
    { className: "scroll", tabIndex: 0, role: "region", "aria-label": label },
    h("table", { "data-testid": testId }, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...body)),
  );
}

function classOf({ minor, number }) {
  return [number && "number", minor && "minor"].filter(Boolean).join(" ");
}

/** Whether the user has selected text in an element, which must then stay as it is. */
export function isSelecting(element) {
  const selection = getSelection();
  return selection !== null && !selection.isCollapsed && element.contains(selection.anchorNode);
}

/** A field with its label. */
export function field(label, control, hint) {
  return h(
    "div",
    { className: "field" },
    h("label", { for: control.id }, label, hint && h("span", { className: "aside" }, ` ${hint}`)),
    control,
  );
}

/** A list of facts: names with values. Undefined values are left out. */
export function facts(entries, testId) {
  const known = entries.filter(([, value]) => value !== undefined && value !== "");
  return h(
    "dl",
    { className: "facts", "data-testid": testId },
    ...known.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

/** A button that copies a text. */
export function copyButton(text, label = "Copy") {
  const button = h("button", { type: "button", className: "small" }, label);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not copied: select the text";
    }
    setTimeout(() => {
      button.textContent = label;
    }, 2_000);
  });
  return button;
}
