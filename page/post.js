// Calls of the server that this page comes from, as a backend makes them.

const TIMEOUT_MS = 10_000;

/** Posts JSON. Rejects with an Error whose message can be shown as it is where there is no answer at all. */
export async function post(path, body, headers = {}) {
  // Made out here: what cannot stand in a header, in a key say, is not the server's fault.
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

/** What is wrong, by an answer that says so. Connect and the older systems' REST have different words for it. */
export function refusal({ response, answer }) {
  if (answer?.code) return new Error(`${answer.code}: ${answer.message ?? "no reason given"}`);
  if (answer?.detail) return new Error(answer.detail);
  return new Error(`HTTP ${response.status} ${response.statusText}`.trim());
}
