const ROOT = "/admin/rpc";

/** Name under which the page keeps its part of the session. Pages of other ports cannot read it, as they can the cookie. */
const SECRET = "carillon-dashboard-secret";

/** Flag of the last envelope of a stream. Source: connectrpc.com, streaming. */
const END = 2;

/** The vhost of all calls; "" for that of the session. */
export const scope = { vhost: "" };

/** A failed call. `code` is Connect's, or `unreachable` when no answer came. */
export class RpcError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** Called when a call is refused because the session has ended. */
let onSignedOut = () => {};

export function listenForSignOut(listener) {
  onSignedOut = listener;
}

/** Calls a unary method, such as `carillon.v1.ControlService/ListTopics`. @throws RpcError */
export async function call(method, request = {}, { signal, vhost = scope.vhost } = {}) {
  const response = await send(method, "application/json", JSON.stringify(request), { signal, vhost });
  return response.json();
}

/** Yields the answers of a streaming method. Ends when the signal is aborted. @throws RpcError */
export async function* stream(method, request, signal, vhost = scope.vhost) {
  const response = await send(method, "application/connect+json", toEnvelope(request), { signal, vhost });
  const reader = response.body.getReader();
  let pending = new Uint8Array(0);
  try {
    for (;;) {
      const { done, value } = await read(reader, signal);
      if (done) throw new RpcError("unreachable", "the node ended the connection");
      pending = join(pending, value);
      for (let envelope = takeEnvelope(pending); envelope !== undefined; envelope = takeEnvelope(pending)) {
        pending = envelope.rest;
        if ((envelope.flags & END) === 0) yield envelope.message;
        else if (envelope.message.error === undefined) return;
        else throw toError(envelope.message.error);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Begins a session. @throws RpcError */
export async function beginSession(credentials) {
  const { secret } = await post("/admin/sign-in", credentials);
  localStorage.setItem(SECRET, secret);
}

/** Ends the session. @throws RpcError */
export async function endSession() {
  await post("/admin/sign-out", {});
  localStorage.removeItem(SECRET);
}

async function post(path, body) {
  const response = await postTo(path, { "content-type": "application/json" }, JSON.stringify(body));
  if (!response.ok) throw toError(await readError(response));
  return response.json();
}

/** Describes the session. @throws RpcError */
export async function readSession() {
  const response = await reach(() => fetch("/admin/session", { headers: ownHeaders() }));
  if (!response.ok) throw toError(await readError(response));
  return response.json();
}

async function send(method, type, body, { signal, vhost }) {
  const headers = { "content-type": type, "connect-protocol-version": "1", ...(vhost && { "carillon-vhost": vhost }) };
  const response = await postTo(`${ROOT}/${method}`, headers, body, signal);
  if (response.ok) return response;
  throw toError(await readError(response));
}

function postTo(path, headers, body, signal) {
  return reach(() => fetch(path, { method: "POST", headers: { ...ownHeaders(), ...headers }, body, signal }));
}

function ownHeaders() {
  return { "carillon-dashboard": "1", [SECRET]: localStorage.getItem(SECRET) ?? "" };
}

/** Converts a failed connection to an RpcError. An aborted call rejects as it is. */
async function reach(attempt) {
  try {
    return await attempt();
  } catch (cause) {
    if (cause.name === "AbortError") throw cause;
    throw new RpcError("unreachable", "the node does not answer");
  }
}

async function read(reader, signal) {
  try {
    return await reader.read();
  } catch (cause) {
    signal.throwIfAborted();
    if (cause.name === "AbortError") throw cause;
    throw new RpcError("unreachable", "the connection was lost");
  }
}

async function readError(response) {
  try {
    return await response.json();
  } catch {
    return {
      code: response.status === 503 ? "unavailable" : "unknown",
      message: `the node answered ${response.status}`,
    };
  }
}

function toError({ code, message }) {
  if (code === "unauthenticated") onSignedOut();
  return new RpcError(code ?? "unknown", message ?? "unknown error");
}

function toEnvelope(message) {
  const bytes = new TextEncoder().encode(JSON.stringify(message));
  const envelope = new Uint8Array(bytes.length + 5);
  new DataView(envelope.buffer).setUint32(1, bytes.length);
  envelope.set(bytes, 5);
  return envelope;
}

function takeEnvelope(bytes) {
  if (bytes.length < 5) return undefined;
  const end = 5 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
  if (bytes.length < end) return undefined;
  const message = JSON.parse(new TextDecoder().decode(bytes.subarray(5, end)) || "{}");
  return { flags: bytes[0], message, rest: bytes.subarray(end) };
}

function join(first, second) {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}
