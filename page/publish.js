// Publishing like a backend, with plain JSON over HTTP (the Connect protocol), and the equivalent code to copy.

import { post, refusal } from "./post.js";

const PATH = "/websockets.v1.BroadcastService/Publish";
const MAX_SNIPPET_PAYLOAD = 10_000;

/**
 * Publishes one message. Resolves to its receipts; rejects with an Error whose message can be shown to the user.
 * `headers` name the vhost and the key, if they are needed.
 */
export async function publish({ topic, payload, event }, headers = {}) {
  const body = requestBody(topic, payload, event);
  const { response, answer } = await post(PATH, body, { "connect-protocol-version": "1", ...headers });
  if (response.ok && answer?.ok === true) return answer.receipts ?? [];
  throw refusal({ response, answer });
}

/** Describes the result of `publish` and its duration in milliseconds. */
export function describeReceipts([receipt], milliseconds) {
  const stage = receipt?.stage?.replace(/^STAGE_/, "").toLowerCase();
  const parts = [stage ? `Published: ${stage}` : "Published", `${Math.max(1, Math.round(milliseconds))} ms`];
  if (receipt?.id) parts.push(`id ${receipt.id}`);
  return parts.join(" · ");
}

/** Creates code from the form: `curl` and `publish` send the message, `listen` receives it. */
export function snippets({ topic, payload, event }, origin) {
  const url = origin + PATH;
  const long = payload.length > MAX_SNIPPET_PAYLOAD;
  const carried = long ? "" : payload;
  const note = (sign) => (long ? `${sign} The payload is too long to show here.\n` : "");
  const body = JSON.stringify(requestBody(topic, carried, event));
  const names = JSON.stringify([topic]);
  const eventMember = event === "" ? "" : `, event: ${JSON.stringify(event)}`;
  return {
    curl: [
      `${note("#")}curl ${url} \\`,
      "  -H 'content-type: application/json' \\",
      `  -d '${body.replaceAll("'", "'\\''")}'`,
    ].join("\n"),
    publish: [
      `${note("//")}await fetch(${JSON.stringify(url)}, {`,
      '  method: "POST",',
      '  headers: { "content-type": "application/json" },',
      `  body: JSON.stringify({ messages: [{ topics: ${names}, text: ${JSON.stringify(carried)}${eventMember} }] }),`,
      "});",
    ].join("\n"),
    listen: listenSnippet(`${origin.replace(/^http/, "ws")}/ws`, names),
  };
}

/**
 * Creates the code of a complete listener. It reconnects by itself, also when the connection dies without a close, and
 * presents a token if it has one.
 */
function listenSnippet(url, names) {
  return `const url = ${JSON.stringify(url)};
// Resolves to a fresh token from your backend, if the node requires one.
const getToken = async () => undefined;

async function listen(failures = 0) {
  // Waits up to 0.5 s at first, and up to twice as long each time. The delay is random, so that clients reconnect spread out.
  const again = () => setTimeout(listen, Math.random() * Math.min(30000, 500 * 2 ** failures), failures + 1);
  let token;
  try {
    token = await getToken();
  } catch {
    return again();
  }
  const socket = new WebSocket(url, token ? ["carillon", \`bearer.\${token}\`] : []);
  let heardAt = Date.now();
  const giveUp = () => {
    clearInterval(watch);
    socket.onclose = null;
    socket.close();
    again();
  };
  const watch = setInterval(() => {
    if (Date.now() - heardAt > 30000) giveUp();
    else if (socket.readyState === WebSocket.OPEN) socket.send('{"command":"ping"}');
  }, 10000);
  socket.onopen = () => socket.send(JSON.stringify({ command: "join", topics: ${names}, id: 1 }));
  socket.onclose = giveUp;
  socket.onmessage = ({ data }) => {
    heardAt = Date.now();
    const frame = JSON.parse(data);
    if (frame.topic === "@pong") return;
    if (frame.topic === "@join") failures = 0;
    console.log(frame);
    // The join failed because the broker is disconnected, so start again.
    if (frame.error?.code === "unavailable") giveUp();
  };
}
listen();`;
}

function requestBody(topic, text, event) {
  const message = { topics: [topic], text };
  if (event !== "") message.event = event;
  return { messages: [message] };
}
