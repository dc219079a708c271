import { CarillonError, type ErrorCode, GRPC_STATUS } from "../../errors.js";
import type { TaskRequest } from "../dispatch.js";
import { LONGEST_TIMER } from "../limits.js";

/**
 * What nodes say to each other about tasks. The asking node counts its tasks, and the times that it has offered each: an
 * offer that it has given up is told from the present one by that number.
 */
export type TaskMessage = Offer | Taken | Refused | Part | Failed | Lost | Cancel | Check | Have;

interface About {
  readonly task: number;
  readonly offer: number;
}

/** What is asked for, without what each word says in its own way. */
export type TaskRequestMessage = Omit<TaskRequest, "deadline" | "payload">;

/** From the asking node: will you do it? */
export interface Offer extends About {
  readonly type: "offer";
  readonly request: TaskRequestMessage;
  readonly payload: Uint8Array;
  /** In milliseconds: clocks of nodes differ. */
  readonly left: number;
  readonly attempt: number;
  readonly pattern: string;
  /** Otherwise another node may have a worker that is free. */
  readonly mayWait: boolean;
  /** Workers that have had it: a worker does not get a task twice. */
  readonly not: readonly string[];
}

/** It waits for a worker, or has one. Of a trigger that has waited it is said again when it has one. */
export interface Taken extends About {
  readonly type: "taken";
  /** A worker has it. A node of an earlier version does not say, and nobody waits for it to. */
  readonly given: boolean;
}

/** busy: nobody is free, and it may not wait. full: too much waits. gone: there is no such worker. */
export type Why = "busy" | "full" | "gone";

export interface Refused extends About {
  readonly type: "refused";
  readonly why: Why;
}

export interface Part extends About {
  readonly type: "part";
  /** Parts before it. */
  readonly position: number;
  readonly more: boolean;
  readonly payload: Uint8Array;
}

/** The worker says so. */
export interface Failed extends About {
  readonly type: "failed";
  readonly code: ErrorCode;
  readonly message: string;
}

/** It is back at the asking node: its worker is gone or does not acknowledge. */
export interface Lost extends About {
  readonly type: "lost";
  /** "" where this node does not know the task at all. */
  readonly worker: string;
}

/** From the asking node: nobody waits for it any more. */
export interface Cancel extends About {
  readonly type: "cancel";
}

/** From the asking node, which has not heard of these for a while: do you have them? */
export interface Check {
  readonly type: "check";
  readonly tasks: readonly (readonly [task: number, offer: number])[];
}

/** Those are here, and so many parts of each were sent. */
export interface Have {
  readonly type: "have";
  readonly tasks: readonly (readonly [task: number, offer: number, parts: number])[];
}

/** In the header of a word the type is a number: its place here. */
const TYPES = ["offer", "taken", "refused", "part", "failed", "lost", "cancel", "check", "have"] as const;
type Type = (typeof TYPES)[number];
const NUMBERS = Object.fromEntries(TYPES.map((type, number) => [type, number])) as Readonly<Record<Type, number>>;

const NOTHING = new Uint8Array();

/** Lengths of header and payload, before them. */
const LENGTHS = 8;

/** Length of the header, length of the payload (4 bytes each, big-endian), the header as a JSON array, the payload. */
export function encodeTaskMessage(word: TaskMessage): Uint8Array {
  const header = JSON.stringify([NUMBERS[word.type], ...fieldsOf(word)]);
  const payload = payloadOf(word);
  const headerBytes = Buffer.byteLength(header);
  const bytes = Buffer.allocUnsafe(LENGTHS + headerBytes + payload.length);
  bytes.writeUInt32BE(headerBytes, 0);
  bytes.writeUInt32BE(payload.length, 4);
  bytes.write(header, LENGTHS);
  bytes.set(payload, LENGTHS + headerBytes);
  return bytes;
}

function payloadOf(word: TaskMessage): Uint8Array {
  return word.type === "part" || word.type === "offer" ? word.payload : NOTHING;
}

function fieldsOf(word: TaskMessage): readonly unknown[] {
  if (word.type === "check" || word.type === "have") return [word.tasks];
  return [word.task, word.offer, ...ownFieldsOf(word)];
}

function ownFieldsOf(word: Exclude<TaskMessage, Check | Have>): readonly unknown[] {
  let fields: readonly unknown[] = [];
  switch (word.type) {
    case "offer": {
      const { connectionId, event, info, topic, user, vhost, wantsAnswer } = word.request;
      const { attempt, left, mayWait, not, pattern } = word;
      fields = [left, attempt, pattern, mayWait, not, vhost, event, topic, connectionId, user, info, wantsAnswer];
      break;
    }
    case "taken":
      fields = [word.given];
      break;
    case "cancel":
      break;
    case "refused":
      fields = [word.why];
      break;
    case "part":
      fields = [word.position, word.more];
      break;
    case "failed":
      fields = [word.code, word.message];
      break;
    case "lost":
      fields = [word.worker];
  }
  return fields;
}

/** The words of a message, one after the other. @throws Error for bytes that no node says: others can publish, too */
export function decodeTaskMessages(bytes: Uint8Array): TaskMessage[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const words: TaskMessage[] = [];
  for (let at = 0; at < buffer.length; ) {
    const payloadAt = at + LENGTHS + buffer.readUInt32BE(at);
    const end = payloadAt + buffer.readUInt32BE(at + 4);
    if (end > buffer.length) throw new RangeError("a word is longer than its message");
    const header = JSON.parse(buffer.toString("utf8", at + LENGTHS, payloadAt)) as unknown;
    if (!Array.isArray(header)) throw new TypeError("a word's header is an array");
    words.push(wordOf(header, bytes.subarray(payloadAt, end)));
    at = end;
  }
  return words;
}

function wordOf(header: readonly unknown[], payload: Uint8Array): TaskMessage {
  const type = TYPES[numberOf(header[0])];
  if (type === undefined) throw new TypeError("a word has a type");
  if (type === "check") return { type, tasks: tuples(header[1], 2) as unknown as Check["tasks"] };
  if (type === "have") return { type, tasks: tuples(header[1], 3) as unknown as Have["tasks"] };
  return ownWordOf(type, header, payload);
}

function ownWordOf(
  type: Exclude<Type, "check" | "have">,
  header: readonly unknown[],
  payload: Uint8Array,
): Exclude<TaskMessage, Check | Have> {
  const about = { task: numberOf(header[1]), offer: numberOf(header[2]) };
  let word: Exclude<TaskMessage, Check | Have>;
  switch (type) {
    case "offer":
      word = { type, ...about, ...offerOf(header, payload) };
      break;
    case "taken":
      word = { type, ...about, given: header[3] !== false };
      break;
    case "cancel":
      word = { type, ...about };
      break;
    case "refused":
      word = { type, ...about, why: whyOf(header[3]) };
      break;
    case "part":
      word = { type, ...about, position: numberOf(header[3]), more: header[4] === true, payload };
      break;
    case "failed":
      word = { type, ...about, code: codeOf(header[3]), message: stringOf(header[4]) };
      break;
    case "lost":
      word = { type, ...about, worker: stringOf(header[3]) };
  }
  return word;
}

function offerOf(header: readonly unknown[], payload: Uint8Array): Omit<Offer, "type" | keyof About> {
  const not = header[7];
  if (!Array.isArray(not)) throw new TypeError("an offer is complete");
  return {
    left: Math.min(numberOf(header[3]), LONGEST_TIMER),
    attempt: Math.floor(numberOf(header[4])),
    pattern: stringOf(header[5]),
    mayWait: header[6] === true,
    not: not.map(stringOf),
    request: {
      vhost: stringOf(header[8]),
      event: stringOf(header[9]),
      topic: stringOf(header[10]),
      connectionId: stringOf(header[11]),
      user: stringOf(header[12]),
      info: stringOf(header[13]),
      wantsAnswer: header[14] === true,
    },
    payload,
  };
}

function tuples(value: unknown, length: number): readonly (readonly number[])[] {
  if (!Array.isArray(value)) throw new TypeError("a word about tasks has a list of them");
  return value.map((tuple: unknown) => {
    if (!Array.isArray(tuple) || tuple.length !== length) throw new TypeError("a task is meant by numbers");
    return tuple.map(numberOf);
  });
}

function numberOf(value: unknown): number {
  if (typeof value !== "number" || !(value >= 0 && value <= Number.MAX_SAFE_INTEGER)) {
    throw new TypeError("a number is missing");
  }
  return value;
}

function stringOf(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("a text is missing");
  return value;
}

function whyOf(value: unknown): Why {
  if (value === "busy" || value === "full" || value === "gone") return value;
  throw new TypeError("a refusal has a reason");
}

/** A node of another version may know others. */
function codeOf(value: unknown): ErrorCode {
  const code = stringOf(value);
  return Object.hasOwn(GRPC_STATUS, code) ? (code as ErrorCode) : "internal";
}

/** What an asker is told of a worker's failure. */
export function readTaskError({ code, message }: Failed): CarillonError {
  return new CarillonError(code, message);
}
