import type { CallPartsRequest, CallRequest, TriggerRequest } from "../../../gen/carillon/v1/call_pb.js";
import { NO_INFO } from "../../access/decide/info.js";
import { topicFault } from "../../core/topic-name.js";
import { CarillonError, invalidArgument } from "../../errors.js";
import type { TaskRequest } from "../../workers/dispatch.js";
import type { RpcCall } from "../service.js";
import { durationToMilliseconds } from "../values.js";

/** How long a caller waits that has not said so, and at most, in milliseconds. */
const USUAL_TIMEOUT = 30_000;
const LONGEST_TIMEOUT = 600_000;

/**
 * What a backend asks of workers.
 * @param now - in milliseconds since the epoch
 * @throws CarillonError invalid_argument; permission_denied: the key is not for this event
 */
export function readTaskRequest(
  { event, payload, text, timeout }: CallRequest | CallPartsRequest | TriggerRequest,
  { backend, deadline = Number.POSITIVE_INFINITY }: Pick<RpcCall, "backend" | "deadline">,
  wantsAnswer: boolean,
  now: number,
): TaskRequest {
  const fault = topicFault(event);
  if (fault !== undefined) throw invalidArgument(`event ${fault}`);
  if (!backend.mayUse(event)) {
    const reason = `event: key ${JSON.stringify(backend.name)} may not use event ${JSON.stringify(event)}`;
    throw new CarillonError("permission_denied", reason);
  }
  if (text !== "" && payload.length > 0) throw invalidArgument("text: only one of payload, text and json may be given");
  const wait = durationToMilliseconds("timeout", timeout) ?? USUAL_TIMEOUT;
  if (wait < 1 || wait > LONGEST_TIMEOUT) throw invalidArgument("timeout: expected from 1 ms to 10 min");
  return {
    vhost: backend.vhost,
    event,
    payload: text === "" ? payload : Buffer.from(text),
    topic: "",
    connectionId: "",
    user: "",
    info: NO_INFO,
    // Whoever only triggers waits until the task is taken, and not until it is done.
    deadline: wantsAnswer ? Math.min(now + wait, deadline) : now + wait,
    wantsAnswer,
  };
}
