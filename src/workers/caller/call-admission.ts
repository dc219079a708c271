import { topicFault } from "../../core/topic-name.js";
import { CarillonError } from "../../errors.js";
import type { TaskRequest } from "../dispatch.js";
import { MAX_PAYLOAD_BYTES } from "../limits.js";

/** Why this cannot be asked; undefined where it can. @param now - milliseconds since the epoch */
export function checkCallAdmission({ deadline, event, payload }: TaskRequest, now: number): CarillonError | undefined {
  const fault = topicFault(event);
  if (fault !== undefined) return new CarillonError("invalid_argument", `event ${JSON.stringify(event)} ${fault}`);
  if (payload.length > MAX_PAYLOAD_BYTES) {
    const text = `${payload.length} bytes are more than the ${MAX_PAYLOAD_BYTES} that a task may have`;
    return new CarillonError("resource_exhausted", text);
  }
  // What is no number is no time to wait for.
  return deadline > now ? undefined : new CarillonError("deadline_exceeded", "no answer came in time");
}
