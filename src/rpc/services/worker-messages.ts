import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Fail, Hello, WorkRequest, WorkResponseSchema } from "../../../gen/carillon/v1/worker_pb.js";
import type { Backend } from "../../access/keys/backend.js";
import { checkLength, checkPresent } from "../../control/checks.js";
import { findPatternOutsideScope } from "../../control/delegation.js";
import { formatTraceparent } from "../../core/tracing/trace-context.js";
import { CarillonError, type ErrorCode, GRPC_STATUS, invalidArgument } from "../../errors.js";
import type { TaskAssignment, WorkerHello } from "../../workers/dispatch.js";
import { MAX_CAPACITY, MAX_EVENTS, MAX_NAME_LENGTH } from "../../workers/limits.js";
import { infoFields, toTimestamp } from "../values.js";

/** Messages of carillon.v1.WorkerService. */

export type WorkResponseInit = MessageInitShape<typeof WorkResponseSchema>;

/** Largest failure text, in characters. Longer ones are cut. */
const MAX_FAILURE = 1_024;

/**
 * Reads the first message of a worker.
 * @throws CarillonError invalid_argument; permission_denied: another vhost, or events that the key may not use
 */
export function readHello({ request }: WorkRequest, backend: Backend): WorkerHello {
  if (request.case !== "hello") throw invalidArgument("hello: must be the first message");
  const { capacity, events, name, vhost }: Hello = request.value;
  if (vhost !== "" && vhost !== backend.vhost) {
    const text = `hello.vhost: the credentials are not valid for vhost ${JSON.stringify(vhost)}`;
    throw new CarillonError("permission_denied", text);
  }
  if (events.length === 0) throw invalidArgument("hello.events: at least one pattern is required");
  if (events.length > MAX_EVENTS)
    throw invalidArgument(`hello.events: got ${events.length}, the limit is ${MAX_EVENTS}`);
  if (capacity > MAX_CAPACITY) throw invalidArgument(`hello.capacity is ${capacity}, the limit is ${MAX_CAPACITY}`);
  if (name.length > MAX_NAME_LENGTH) throw invalidArgument(`hello.name is longer than ${MAX_NAME_LENGTH} characters`);
  const pattern = findPatternOutsideScope(backend, events);
  if (pattern !== undefined) {
    const text = `hello.events: key ${JSON.stringify(backend.name)} is not permitted to take the events ${JSON.stringify(pattern)}`;
    throw new CarillonError("permission_denied", text);
  }
  return { vhost: backend.vhost, events, capacity: capacity === 0 ? 1 : capacity, name };
}

/** @throws CarillonError invalid_argument */
export function checkTaskId(field: string, id: string): string {
  checkPresent(field, id);
  return id;
}

/** Converts a failure to the error for the caller. @throws CarillonError invalid_argument */
export function readFailure({ code, message }: Fail): CarillonError {
  checkLength("fail.code", code);
  const known = Object.hasOwn(GRPC_STATUS, code) ? (code as ErrorCode) : "internal";
  return new CarillonError(known, message.length > MAX_FAILURE ? `${message.slice(0, MAX_FAILURE - 1)}…` : message);
}

/** @param acknowledgeWithin - in milliseconds */
export function toWelcomeMessage(workerId: string, acknowledgeWithin: number): WorkResponseInit {
  const seconds = BigInt(Math.floor(acknowledgeWithin / 1_000));
  const nanos = (acknowledgeWithin % 1_000) * 1_000_000;
  return { response: { case: "welcome", value: { workerId, acknowledgeWithin: { seconds, nanos } } } };
}

export function toTaskMessage(task: TaskAssignment): WorkResponseInit {
  const { attempt, connectionId, deadline, event, id, info, payload, topic, trace, user, wantsAnswer } = task;
  const traceparent = trace === undefined ? "" : formatTraceparent(trace);
  const same = { id, event, payload, topic, connectionId, user, attempt, wantsAnswer, traceparent };
  return {
    response: { case: "task", value: { ...same, ...infoFields(info), deadline: toTimestamp(Math.floor(deadline)) } },
  };
}

export function toCancelMessage(taskId: string): WorkResponseInit {
  return { response: { case: "cancel", value: { taskId } } };
}
