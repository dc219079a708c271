import type { CallPartsRequest, CallRequest, TriggerRequest } from "../../../gen/carillon/v1/call_pb.js";
import { NO_INFO } from "../../access/decide/info.js";
import { topicProblem } from "../../core/topic-name.js";
import { CarillonError, invalidArgument } from "../../errors.js";
import type { TaskRequest } from "../../workers/dispatch.js";
import type { RpcCall } from "../service.js";
import { durationToMilliseconds } from "../values.js";

/** Default and largest timeout of a call, in milliseconds. */
const DEFAULT_TIMEOUT = 30_000;
const MAX_TIMEOUT = 600_000;

/**
 * Reads a backend's request as a task for workers.
 * @param now - in milliseconds since the epoch
 * @throws CarillonError invalid_argument; permission_denied: the key may not use this event
 */
export function readTaskRequest(
  { event, payload, text, timeout }: CallRequest | CallPartsRequest | TriggerRequest,
  { backend, deadline = Number.POSITIVE_INFINITY }: Pick<RpcCall, "backend" | "deadline">,
  wantsAnswer: boolean,
  now: number,
): TaskRequest {
  const problem = topicProblem(event);
  if (problem !== undefined) throw invalidArgument(`event ${problem}`);
  if (!backend.mayUse(event)) {
    const reason = `event: key ${JSON.stringify(backend.name)} is not permitted to use event ${JSON.stringify(event)}`;
    throw new CarillonError("permission_denied", reason);
  }
  if (text !== "" && payload.length > 0)
    throw invalidArgument("text: at most one of payload, text and json is allowed");
  const wait = durationToMilliseconds("timeout", timeout) ?? DEFAULT_TIMEOUT;
  if (wait < 1 || wait > MAX_TIMEOUT) throw invalidArgument("timeout: expected 1 ms to 10 min");
  return {
    vhost: backend.vhost,
    event,
    payload: text === "" ? payload : Buffer.from(text),
    topic: "",
    connectionId: "",
    user: "",
    info: NO_INFO,
    // A trigger waits until the task is accepted, not until it is done.
    deadline: wantsAnswer ? Math.min(now + wait, deadline) : now + wait,
    wantsAnswer,
  };
}
