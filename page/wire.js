// Encoding and decoding of the native protocol, without sockets and DOM.

/** Creates the text of one command frame. Its answer carries the same id. */
export function commandFrame(command, topics, id) {
  return JSON.stringify({ command, broker: "", topics, payload: "", id });
}

/** Ping, which is answered by `{"topic":"@pong"}`. */
export const PING = JSON.stringify({ command: "ping" });

/**
 * Tells what a received frame is: a `message`, the `answer` to a command, a `problem` that the server reports, or
 * `unknown`. Topic names cannot begin with `@` or `#`, so the first character decides.
 */
export function readFrame(text) {
  let frame;
  try {
    frame = JSON.parse(text);
  } catch {
    return { kind: "unknown" };
  }
  if (typeof frame?.topic !== "string") return { kind: "unknown" };
  const { topic, payload } = frame;
  if (topic === "#error") return { kind: "problem", reasons: Array.isArray(payload) ? payload : [String(payload)] };
  if (topic.startsWith("@") || topic.startsWith("#")) {
    const topics = Array.isArray(payload) ? payload : [];
    return {
      kind: "answer",
      ok: topic.startsWith("@"),
      command: topic.slice(1),
      topics,
      id: frame.id,
      error: frame.error,
    };
  }
  return {
    kind: "message",
    topic,
    payload: typeof payload === "string" ? payload : JSON.stringify(payload),
    id: frame.id,
    event: frame.event,
    time: frame.time,
    base64: frame.encoding === "base64",
  };
}

/** Parses typed topics, separated by commas or white space, without duplicates. */
export function splitTopics(text) {
  return [...new Set(text.split(/[\s,]+/).filter(Boolean))];
}

/** Parses the topics of a link (`#foo,bar`). Returns undefined without a fragment; an empty one means "no topics". */
export function parseTopicsLink(href) {
  const start = href.indexOf("#");
  if (start === -1) return undefined;
  const names = href
    .slice(start + 1)
    .split(",")
    .filter(Boolean);
  return [...new Set(names.map(decoded))];
}

/** Creates the fragment of a link that carries topics. */
export function toTopicsLink(topics) {
  return `#${topics.map(encoded).join(",")}`;
}

function encoded(topic) {
  // Characters that a fragment may hold stay unescaped, except the comma.
  return encodeURIComponent(topic).replace(/%(?:2F|3A|40|24|26|2B|3B|3D)/g, (escaped) => decodeURIComponent(escaped));
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const CLOSE_MEANINGS = new Map([
  [1000, "closed normally"],
  [1001, "the server is going away"],
  [1002, "protocol error"],
  [1003, "unsupported data"],
  [1005, "closed without a code"],
  [1006, "connection lost"],
  [1007, "invalid UTF-8"],
  [1008, "refused by policy"],
  [1009, "frame too large"],
  [1011, "internal server error"],
  [1012, "the server is restarting"],
  [1013, "client too slow"],
  [1015, "TLS failed"],
]);

/** Describes a close code, with the server's reason if there is one. */
export function describeClose({ code, reason, opened, byUser, silent }) {
  if (byUser) return "Disconnected by you.";
  if (silent) return "The server stopped answering.";
  if (!opened && code === 1006) return "Connection failed: the server did not answer or refused it.";
  const meaning = CLOSE_MEANINGS.get(code) ?? "closed";
  return `Closed with ${code}, ${meaning}${reason ? `: “${reason}”` : ""}.`;
}
