// Publishing as a backend does, with plain JSON over HTTP (the Connect protocol), and the same as text to copy.

import { post, refusal } from "./post.js";

const PATH = "/websockets.v1.BroadcastService/Publish";
const LONGEST_SNIPPET_PAYLOAD = 10_000;

/**
 * Publishes one message. Resolves to its receipts; rejects with an Error whose message can be shown as it is. `headers` say
 * who asks, and for which vhost, where that matters.
 */
export async function publish({ topic, payload, event }, headers = {}) {
  const body = requestBody(topic, base64(payload), event);
  const { response, answer } = await post(PATH, body, { "connect-protocol-version": "1", ...headers });
  if (response.ok && answer?.ok === true) return answer.receipts ?? [];
  throw refusal({ response, answer });
}

/** What `publish` resolved to, after so many milliseconds. */
export function receiptsInWords([receipt], milliseconds) {
  const stage = receipt?.stage?.replace(/^STAGE_/, "").toLowerCase();
  const parts = [stage ? `Published: ${stage}` : "Published", `${Math.max(1, Math.round(milliseconds))} ms`];
  if (receipt?.id) parts.push(`id ${receipt.id}`);
  return parts.join(" · ");
}

/** What the form holds as code: `curl` and `publish` send it, `listen` hears it. */
export function snippets({ topic, payload, event }, origin) {
  const url = origin + PATH;
  const long = payload.length > LONGEST_SNIPPET_PAYLOAD;
  const carried = long ? "" : payload;
  const note = (sign) => (long ? `${sign} The payload is too long to show here.\n` : "");
  const body = JSON.stringify(requestBody(topic, base64(carried), event));
  const names = JSON.stringify([topic]);
  const eventMember = event === "" ? "" : `, event: ${JSON.stringify(event)}`;
  return {
    curl: [
      `${note("#")}curl ${url} \\`,
      "  -H 'content-type: application/json' \\",
      `  -d '${body.replaceAll("'", "'\\''")}'`,
    ].join("\n"),
    publish: [
      `${note("//")}const bytes = new TextEncoder().encode(${JSON.stringify(carried)});`,
      'const payload = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));',
      `await fetch(${JSON.stringify(url)}, {`,
      '  method: "POST",',
      '  headers: { "content-type": "application/json" },',
      `  body: JSON.stringify({ messages: [{ topics: ${names}, payload${eventMember} }] }),`,
      "});",
    ].join("\n"),
    listen: [
      `const socket = new WebSocket(${JSON.stringify(`${origin.replace(/^http/, "ws")}/ws`)});`,
      "socket.onopen = () =>",
      `  socket.send(JSON.stringify({ command: "join", broker: "", topics: ${names}, payload: "" }));`,
      "socket.onmessage = ({ data }) => console.log(JSON.parse(data));",
    ].join("\n"),
  };
}

function requestBody(topic, payload, event) {
  const message = { topics: [topic], payload };
  if (event !== "") message.event = event;
  return { messages: [message] };
}

function base64(text) {
  let binary = "";
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
}
