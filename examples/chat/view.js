// The page of the chat: shows what chat.js says, and knows nothing of the connection.
const $ = (id) => document.getElementById(id);
const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const STATUS = { connecting: "Connecting", connected: "Online", waiting: "Reconnecting", closed: "Offline" };

/** Asks for a name until `check` accepts it. */
export function askName(check) {
  return new Promise((resolve) => {
    $("welcome").addEventListener("submit", async (event) => {
      event.preventDefault();
      const name = $("name").value.trim();
      try {
        await check(name);
        resolve(name);
      } catch (error) {
        $("refused").textContent = error.message;
        $("refused").hidden = false;
      }
    });
  });
}

/** Shows the room instead of the form. */
export function enter(name) {
  $("welcome").hidden = true;
  for (const id of ["chat", "connection", "toggle"]) $(id).hidden = false;
  document.title = `${name} · Chat`;
  $("text").focus();
}

export function showConnection({ status, error }) {
  $("connection").textContent = STATUS[status];
  $("connection").dataset.status = status;
  $("toggle").textContent = status === "closed" ? "Go online" : "Go offline";
  for (const field of $("composer").elements) field.disabled = status === "closed";
  if (error) showNote(error.message);
}

export function onToggle(listener) {
  $("toggle").addEventListener("click", () => listener($("connection").dataset.status === "closed"));
}

/** Shows these messages in place of all others. */
export function replaceEntries(entries, hasOlder) {
  keepBottom(() => $("messages").replaceChildren(...entries.map(createEntry)));
  $("older").hidden = !hasOlder;
}

/** Shows a note after the present messages, and then those of `entries` that are not shown yet. */
export function appendEntries(entries, note) {
  showNote(note);
  const shown = new Set([...$("messages").children].map(({ dataset }) => dataset.id));
  for (const entry of entries) if (!shown.has(entry.id)) addEntry(entry);
}

export function addEntry(entry) {
  keepBottom(() => {
    $("messages").append(createEntry(entry));
    // The node's id is the user's name, a colon and the id of `addUnsent`.
    endUnsent(entry.id.slice(entry.id.indexOf(":") + 1));
  });
}

/** Shows a line between the messages. */
export function showNote(text) {
  keepBottom(() => $("messages").append(create("li", "note", text)));
}

/** @param read - resolves to the messages before a position */
export function onOlder(read) {
  $("older").addEventListener("click", async () => {
    const [first] = $("messages").querySelectorAll(".entry");
    $("older").disabled = true;
    try {
      const { entries, more } = await read(first?.dataset.position);
      const below = $("scroller").scrollHeight - $("scroller").scrollTop;
      $("messages").prepend(...entries.map(createEntry));
      $("scroller").scrollTop = $("scroller").scrollHeight - below;
      $("older").hidden = !more;
    } catch (error) {
      showNote(error.message);
    }
    $("older").disabled = false;
  });
}

export function onSend(listener) {
  $("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = $("text").value.trim();
    if (text === "") return;
    $("text").value = "";
    listener(text);
  });
}

export function onInput(listener) {
  $("text").addEventListener("input", listener);
}

/** Shows a message that the node has not confirmed. */
export function addUnsent(id, text) {
  const entry = createEntry({ id, isMine: true, text });
  entry.append(create("span", "hint", "sending…"));
  $("unsent").append(entry);
  $("scroller").scrollTop = $("scroller").scrollHeight;
}

export function endUnsent(id) {
  findUnsent(id)?.remove();
}

export function failUnsent(id, reason) {
  const hint = findUnsent(id)?.querySelector(".hint");
  if (!hint) return;
  hint.textContent = `not sent: ${reason}`;
  hint.classList.add("error");
}

export function showMembers(names, me) {
  $("members-title").textContent = names.length === 1 ? "1 person here" : `${names.length} people here`;
  $("members").replaceChildren(...names.map((name) => create("li", "", name === me ? `${name} (you)` : name)));
}

export function showTyping(names) {
  const others = names.length > 2 ? "Several people" : names.join(" and ");
  $("typing").textContent = names.length === 0 ? "" : `${others} ${names.length === 1 ? "is" : "are"} typing…`;
}

function findUnsent(id) {
  return [...$("unsent").children].find(({ dataset }) => dataset.id === id);
}

function createEntry({ id, isMine, name, position, text, time: date }) {
  const entry = create("li", isMine ? "entry mine" : "entry");
  Object.assign(entry.dataset, { id, ...(position && { position }) });
  if (name) {
    const head = create("p", "head");
    head.append(create("b", "", isMine ? "You" : name), " ", create("time", "", time.format(date)));
    entry.append(head);
  }
  entry.append(create("p", "text", text));
  return entry;
}

function create(tag, className, text = "") {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

/** Makes a change, and scrolls to its end unless the reader has scrolled up. */
function keepBottom(change) {
  const { clientHeight, scrollHeight, scrollTop } = $("scroller");
  const isAtEnd = scrollHeight - scrollTop - clientHeight < 40;
  change();
  if (isAtEnd) $("scroller").scrollTop = $("scroller").scrollHeight;
}
