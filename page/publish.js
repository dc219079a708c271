// Publishing as a backend does, with plain JSON over HTTP (the Connect protocol), and the same as text to copy.

const PATH = "/websockets.v1.BroadcastService/Publish";
const TIMEOUT_MS = 10_000;
const LONGEST_SNIPPET_PAYLOAD = 10_000;

/** Publishes one message. Resolves to its receipts; rejects with an Error whose message can be shown as it is. */
export async function publish({ topic, payload, event }) {
  let response;
  try {
    response = await fetch(PATH, {
      method: "POST",
      headers: { "content-type": "application/json", "connect-protocol-version": "1" },
      body: JSON.stringify(requestBody(topic, base64(payload), event)),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    const late = error.name === "TimeoutError";
    const why = late ? `No answer within ${TIMEOUT_MS / 1000} s.` : "The server could not be reached.";
    throw new Error(why, { cause: error });
  }
  const answer = await response.json().catch(() => undefined);
  if (response.ok && answer?.ok === true) return answer.receipts ?? [];
  if (answer?.code) throw new Error(`${answer.code}: ${answer.message ?? "no reason given"}`);
  throw new Error(`HTTP ${response.status} ${response.statusText}`.trim());
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
