import type { Backend } from "../../access/keys/backend.js";
import type { ServerStream } from "../../http2/server-stream.js";
import type { StreamReceiver } from "../../http2/stream-receiver.js";
import { ignore } from "../../util/ignore.js";
import { toCallerError } from "../faults.js";
import { encodeErrorHeaders } from "./answer-headers.js";
import type { AcceptedHead, CallHead } from "./call-head.js";
import type { CallPeer } from "./call-peer.js";
import { PlainHttpCall } from "./plain-http-call.js";
import { RequestStreamCall, ServerStreamCall } from "./streaming-calls.js";
import { UnaryCall } from "./unary-call.js";

/** Ignores the request of a call that was refused. */
const REFUSED: StreamReceiver = { onData: ignore, onEnd: ignore, onDrain: ignore, onClose: ignore };

/**
 * Begins a call when its headers have arrived. The request of a refused caller is not read.
 * @returns the receiver of the request
 */
export function beginCall(stream: ServerStream, head: CallHead, peer: CallPeer): StreamReceiver {
  if (head.method === undefined) {
    if (head.body !== undefined) return new PlainHttpCall(stream, head.answer, head.body, peer.host.overdue);
    stream.respond(head.answer, true);
    return REFUSED;
  }
  let backend: Backend | undefined;
  try {
    backend = admit(head, peer);
  } catch (cause) {
    stream.respond(encodeErrorHeaders(toCallerError(cause, peer.host.onFault)), true);
    return REFUSED;
  }
  if (head.method.streaming) return new RequestStreamCall(stream, head, peer, backend);
  if (head.method.streamsAnswers) return new ServerStreamCall(stream, head, peer, backend);
  return new UnaryCall(stream, head, peer, backend);
}

/** @returns undefined if the method is open to everyone. @throws CarillonError as {@link CallAuthorizer.admit} does */
function admit(head: AcceptedHead, peer: CallPeer): Backend | undefined {
  const { action, isPublic } = head.method;
  return isPublic ? undefined : peer.host.authorizer.admit(peer.credentialsOf(head), action);
}
