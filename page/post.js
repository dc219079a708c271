// Calls of the node's HTTP API, as a backend makes them.

const TIMEOUT_MS = 10_000;

/** Posts JSON. Without an answer, rejects with an Error whose message can be shown to the user. */
export async function post(path, body, headers = {}) {
  // Created outside the request, because an invalid header is not a failure of the server.
  const all = new Headers({ "content-type": "application/json", ...headers });
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: all,
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    const late = error.name === "TimeoutError";
    const why = late ? `No answer within ${TIMEOUT_MS / 1000} s.` : "The server could not be reached.";
    throw new Error(why, { cause: error });
  }
  return { response, answer: await response.json().catch(() => undefined) };
}

/** Converts an error answer to an Error. Connect and the REST interfaces of older systems have different fields for it. */
export function refusal({ response, answer }) {
  if (answer?.code) return new Error(`${answer.code}: ${answer.message ?? "no reason given"}`);
  if (answer?.detail) return new Error(answer.detail);
  return new Error(`HTTP ${response.status} ${response.statusText}`.trim());
}
