import { formatTraceparent, parseTraceContext } from "../../core/tracing/trace-context.js";
import { type ErrorCode, GRPC_STATUS } from "../../errors.js";
import type { TaskRequest } from "../dispatch.js";
import { MAX_TIMER } from "../limits.js";

/**
 * A message between nodes about tasks. The calling node numbers its tasks, and the offers of each task. The offer's
 * number distinguishes the current offer from abandoned ones.
 */
export type TaskMessage = ExecutorMessage | CallerMessage;

/** Sent by the calling node. */
export type ExecutorMessage = Offer | Cancel | Check;

/** Sent to the calling node. */
export type CallerMessage = Taken | Refused | Part | Failed | Lost | Have;

/** Whether a message goes to the executor instead of the caller. */
export function isForExecutor(message: TaskMessage): message is ExecutorMessage {
  return message.type === "offer" || message.type === "cancel" || message.type === "check";
}

/** The calling node's numbers of a task and of one of its offers. */
export interface OfferId {
  readonly task: number;
  readonly offer: number;
}

/** A request without the fields that messages carry separately. */
export type TaskRequestMessage = Omit<TaskRequest, "deadline" | "payload">;

/** Offers a task to a node. */
export interface Offer extends OfferId {
  readonly type: "offer";
  readonly request: TaskRequestMessage;
  readonly payload: Uint8Array;
  /** Milliseconds until the deadline, because the clocks of nodes differ. */
  readonly left: number;
  readonly attempt: number;
  readonly pattern: string;
  /** Whether the task may wait for a worker. Otherwise a node without a free worker refuses it. */
  readonly mayWait: boolean;
  /** Workers that already had the task, because no worker gets a task twice. */
  readonly excludedWorkers: readonly string[];
}

/** Reports that the task waits for a worker, or has one. A trigger that waited is reported again when a worker gets it. */
export interface Taken extends OfferId {
  readonly type: "taken";
  /** Whether a worker has the task. Nodes of earlier versions omit this field. */
  readonly assigned: boolean;
}

/** busy: no worker is free, and the task may not wait. full: too many tasks wait. gone: no such worker exists. */
export type RefusalReason = "busy" | "full" | "gone";

export interface Refused extends OfferId {
  readonly type: "refused";
  readonly reason: RefusalReason;
}

export interface Part extends OfferId {
  readonly type: "part";
  /** Number of parts before this one. */
  readonly position: number;
  readonly more: boolean;
  readonly payload: Uint8Array;
}

/** Reports that the worker failed the task. */
export interface Failed extends OfferId {
  readonly type: "failed";
  readonly code: ErrorCode;
  readonly message: string;
}

/** Returns the task to the calling node, because its worker is gone or does not acknowledge. */
export interface Lost extends OfferId {
  readonly type: "lost";
  /** Worker that had the task; "" when it had none, or when the node does not know the task. */
  readonly worker: string;
}

/** Cancels a task whose outcome is no longer needed. */
export interface Cancel extends OfferId {
  readonly type: "cancel";
}

/** Asks whether a node still has the tasks about which the calling node has received no recent message. */
export interface Check {
  readonly type: "check";
  readonly tasks: readonly (readonly [task: number, offer: number])[];
}

/** Lists the tasks of a check that the node has, each with the number of parts sent. */
export interface Have {
  readonly type: "have";
  readonly tasks: readonly (readonly [task: number, offer: number, parts: number])[];
}

/** Message types. The header contains a type as its index in this list. */
const TYPES = ["offer", "taken", "refused", "part", "failed", "lost", "cancel", "check", "have"] as const;
type Type = (typeof TYPES)[number];
const NUMBERS = Object.fromEntries(TYPES.map((type, number) => [type, number])) as Readonly<Record<Type, number>>;

const NOTHING = new Uint8Array();

/** Number of bytes of the two lengths that precede header and payload. */
const LENGTHS = 8;

/**
 * Encodes a message: length of the header, length of the payload (4 bytes each, big-endian), the header as a JSON array, the
 * payload.
 */
export function encodeTaskMessage(message: TaskMessage): Uint8Array {
  const header = JSON.stringify([NUMBERS[message.type], ...encodeFields(message)]);
  const payload = payloadOf(message);
  const headerBytes = Buffer.byteLength(header);
  const bytes = Buffer.allocUnsafe(LENGTHS + headerBytes + payload.length);
  bytes.writeUInt32BE(headerBytes, 0);
  bytes.writeUInt32BE(payload.length, 4);
  bytes.write(header, LENGTHS);
  bytes.set(payload, LENGTHS + headerBytes);
  return bytes;
}

function payloadOf(message: TaskMessage): Uint8Array {
  return message.type === "part" || message.type === "offer" ? message.payload : NOTHING;
}

function encodeFields(message: TaskMessage): readonly unknown[] {
  if (message.type === "check" || message.type === "have") return [message.tasks];
  return [message.task, message.offer, ...encodeOfferFields(message)];
}

function encodeOfferFields(message: Exclude<TaskMessage, Check | Have>): readonly unknown[] {
  let fields: readonly unknown[] = [];
  switch (message.type) {
    case "offer": {
      const { connectionId, event, info, topic, trace, user, vhost, wantsAnswer } = message.request;
      const { attempt, left, mayWait, excludedWorkers, pattern } = message;
      fields = [
        left,
        attempt,
        pattern,
        mayWait,
        excludedWorkers,
        vhost,
        event,
        topic,
        connectionId,
        user,
        info,
        wantsAnswer,
        // Nodes of earlier versions neither send nor read this field.
        ...(trace === undefined ? [] : [formatTraceparent(trace)]),
      ];
      break;
    }
    case "taken":
      fields = [message.assigned];
      break;
    case "cancel":
      break;
    case "refused":
      fields = [message.reason];
      break;
    case "part":
      fields = [message.position, message.more];
      break;
    case "failed":
      fields = [message.code, message.message];
      break;
    case "lost":
      fields = [message.worker];
  }
  return fields;
}

/**
 * Decodes the messages of one transmission.
 * @throws Error for invalid bytes, because other programs can publish on the bus
 */
export function decodeTaskMessages(bytes: Uint8Array): TaskMessage[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const messages: TaskMessage[] = [];
  for (let at = 0; at < buffer.length; ) {
    const payloadAt = at + LENGTHS + buffer.readUInt32BE(at);
    const end = payloadAt + buffer.readUInt32BE(at + 4);
    if (end > buffer.length) throw new RangeError("a message is longer than its transmission");
    const header = JSON.parse(buffer.toString("utf8", at + LENGTHS, payloadAt)) as unknown;
    if (!Array.isArray(header)) throw new TypeError("the header of a message is not an array");
    messages.push(decodeMessage(header, bytes.subarray(payloadAt, end)));
    at = end;
  }
  return messages;
}

function decodeMessage(header: readonly unknown[], payload: Uint8Array): TaskMessage {
  const type = TYPES[readNumber(header[0])];
  if (type === undefined) throw new TypeError("unknown message type");
  if (type === "check") return { type, tasks: readTuples(header[1], 2) as unknown as Check["tasks"] };
  if (type === "have") return { type, tasks: readTuples(header[1], 3) as unknown as Have["tasks"] };
  return decodeOwn(type, header, payload);
}

function decodeOwn(
  type: Exclude<Type, "check" | "have">,
  header: readonly unknown[],
  payload: Uint8Array,
): Exclude<TaskMessage, Check | Have> {
  const offerId = { task: readNumber(header[1]), offer: readNumber(header[2]) };
  let message: Exclude<TaskMessage, Check | Have>;
  switch (type) {
    case "offer":
      message = { type, ...offerId, ...decodeOffer(header, payload) };
      break;
    case "taken":
      message = { type, ...offerId, assigned: header[3] !== false };
      break;
    case "cancel":
      message = { type, ...offerId };
      break;
    case "refused":
      message = { type, ...offerId, reason: readRefusalReason(header[3]) };
      break;
    case "part":
      message = { type, ...offerId, position: readNumber(header[3]), more: header[4] === true, payload };
      break;
    case "failed":
      message = { type, ...offerId, code: readCode(header[3]), message: readString(header[4]) };
      break;
    case "lost":
      message = { type, ...offerId, worker: readString(header[3]) };
  }
  return message;
}

function decodeOffer(header: readonly unknown[], payload: Uint8Array): Omit<Offer, "type" | keyof OfferId> {
  const excludedWorkers = header[7];
  if (!Array.isArray(excludedWorkers)) throw new TypeError("expected a list of excluded workers");
  return {
    left: Math.min(readNumber(header[3]), MAX_TIMER),
    attempt: Math.floor(readNumber(header[4])),
    pattern: readString(header[5]),
    mayWait: header[6] === true,
    excludedWorkers: excludedWorkers.map(readString),
    request: {
      vhost: readString(header[8]),
      event: readString(header[9]),
      topic: readString(header[10]),
      connectionId: readString(header[11]),
      user: readString(header[12]),
      info: readString(header[13]),
      wantsAnswer: header[14] === true,
      trace: typeof header[15] === "string" ? parseTraceContext(header[15], "") : undefined,
    },
    payload,
  };
}

function readTuples(value: unknown, length: number): readonly (readonly number[])[] {
  if (!Array.isArray(value)) throw new TypeError("expected a list of tasks");
  return value.map((tuple: unknown) => {
    if (!Array.isArray(tuple) || tuple.length !== length)
      throw new TypeError("expected a list of numbers for each task");
    return tuple.map(readNumber);
  });
}

function readNumber(value: unknown): number {
  if (typeof value !== "number" || !(value >= 0 && value <= Number.MAX_SAFE_INTEGER)) {
    throw new TypeError("expected a number");
  }
  return value;
}

function readString(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("expected a string");
  return value;
}

function readRefusalReason(value: unknown): RefusalReason {
  if (value === "busy" || value === "full" || value === "gone") return value;
  throw new TypeError("unknown reason of a refusal");
}

/** Maps codes that only nodes of other versions know to `internal`. */
function readCode(value: unknown): ErrorCode {
  const code = readString(value);
  return Object.hasOwn(GRPC_STATUS, code) ? (code as ErrorCode) : "internal";
}
