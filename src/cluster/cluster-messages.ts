import type { Json, JsonObject } from "../access/decide/principal.js";
import { CarillonError, type ErrorCode, GRPC_STATUS } from "../errors.js";

/** Messages between nodes, in JSON. `from` is the sending node. */
export type ClusterMessage = Heartbeat | Goodbye | Ask | Tell | Answer | Refusal;

/** Sent every second to all nodes, and to each newly discovered node. */
interface Heartbeat {
  readonly type: "here";
  readonly from: string;
  /** Requests a heartbeat from each receiver. */
  readonly greet: boolean;
  /** Nodes known to the sender, in the answer to a new node; empty while the sender is new itself. */
  readonly nodes: readonly string[];
  /** Time by the sender's clock, in milliseconds since the epoch. */
  readonly time: number;
}

/** Sent by a node that stops. */
interface Goodbye {
  readonly type: "bye";
  readonly from: string;
}

interface Ask {
  readonly type: "ask";
  readonly from: string;
  /** Unique among the sender's requests. */
  readonly id: number;
  readonly kind: string;
  readonly body: Json;
}

interface Tell {
  readonly type: "tell";
  readonly from: string;
  readonly kind: string;
  readonly body: Json;
}

interface Answer {
  readonly type: "answer";
  readonly from: string;
  readonly id: number;
  readonly body: Json;
}

interface Refusal {
  readonly type: "refusal";
  readonly from: string;
  readonly id: number;
  readonly code: ErrorCode;
  readonly message: string;
}

export function encodeClusterMessage(message: ClusterMessage): Buffer {
  return Buffer.from(JSON.stringify(message));
}

/** Decodes a message; undefined when it is invalid, because other programs can publish on the bus. */
export function decodeClusterMessage(bytes: Uint8Array): ClusterMessage | undefined {
  try {
    const value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()) as unknown;
    return isClusterMessage(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function toRefusal(cause: unknown): { readonly code: ErrorCode; readonly message: string } {
  const { code, message } = CarillonError.from(cause);
  return { code, message };
}

const CHECKS: { readonly [Type in ClusterMessage["type"]]: (message: JsonObject) => boolean } = {
  here: ({ greet, nodes, time }) =>
    typeof greet === "boolean" &&
    typeof time === "number" &&
    Array.isArray(nodes) &&
    nodes.every((node) => typeof node === "string"),
  bye: () => true,
  ask: ({ body, id, kind }) => Number.isSafeInteger(id) && typeof kind === "string" && body !== undefined,
  tell: ({ body, kind }) => typeof kind === "string" && body !== undefined,
  answer: ({ body, id }) => Number.isSafeInteger(id) && body !== undefined,
  refusal: ({ code, id, message }) =>
    Number.isSafeInteger(id) &&
    typeof message === "string" &&
    typeof code === "string" &&
    Object.hasOwn(GRPC_STATUS, code),
};

/** Matches a node's id, which is a token of its subject. */
const NODE = /^[\w-]{1,64}$/;

function isClusterMessage(value: unknown): value is ClusterMessage {
  if (typeof value !== "object" || value === null) return false;
  const message = value as JsonObject;
  const { from, type } = message;
  if (typeof from !== "string" || !NODE.test(from) || typeof type !== "string") return false;
  return Object.hasOwn(CHECKS, type) && CHECKS[type as ClusterMessage["type"]](message);
}
