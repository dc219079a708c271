import { CarillonError } from "../errors.js";

/** Error for a request that cannot be decoded (rule E10). */
export function malformedRequest(reason: string, cause?: unknown): CarillonError {
  return new CarillonError("invalid_argument", `the request cannot be decoded: ${reason}`, { cause });
}

/** Error for a request of more than `limit` bytes. It is not retryable. */
export function requestTooLarge(limit: number): CarillonError {
  return new CarillonError("resource_exhausted", `the request is larger than ${limit} bytes`, {
    retryDelay: Number.POSITIVE_INFINITY,
  });
}

/** Error for a call whose request is complete only after its deadline. */
export function deadlinePassed(): CarillonError {
  return new CarillonError("deadline_exceeded", "the deadline passed before the request was complete");
}

/** Error for a call or stream that this node refuses or ends because it is stopping. */
export function nodeStopping(): CarillonError {
  return new CarillonError("unavailable", "this node is stopping");
}

/** Error for a call whose peer, by default its caller, has disconnected. */
export function peerDisconnected(peer = "caller"): CarillonError {
  return new CarillonError("cancelled", `the ${peer} has disconnected`);
}

/** Returns the error with which a call was aborted: a lost permission, otherwise a disconnect of the peer. */
export function toAbortError({ reason }: AbortSignal, peer?: string): CarillonError {
  return reason instanceof CarillonError ? reason : peerDisconnected(peer);
}
