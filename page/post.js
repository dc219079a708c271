// Calls of the page's server, like those of a backend.

const TIMEOUT_MS = 10_000;

/** Posts JSON. Rejects with an Error whose message can be shown when there is no answer. */
export async function post(path, body, headers = {}) {
  // Created outside the request, because characters that are invalid in a header are not the server's fault.
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

/** Reads the error of an answer. Connect and the older systems' REST have different fields for it. */
export function refusal({ response, answer }) {
  if (answer?.code) return new Error(`${answer.code}: ${answer.message ?? "no reason given"}`);
  if (answer?.detail) return new Error(answer.detail);
  return new Error(`HTTP ${response.status} ${response.statusText}`.trim());
}
