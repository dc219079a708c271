import type { Json, JsonObject } from "../access/decide/principal.js";
import { CarillonError, type ErrorCode, GRPC_STATUS } from "../errors.js";

/** What nodes say to each other, as JSON. `from` is the node that says it. */
export type ClusterMessage = Here | Bye | Ask | Tell | Answer | Refusal;

/** I am there: every second to all, and to one that does not know it yet. */
interface Here {
  readonly type: "here";
  readonly from: string;
  /** Who hears this is asked to say the same. */
  readonly greet: boolean;
  /** Whom it knows, where it says so to one that has just come. Empty while it has just come itself. */
  readonly nodes: readonly string[];
  /** Time by the sender's clock, in milliseconds since the epoch. */
  readonly time: number;
}

/** I shall not be there any more. */
interface Bye {
  readonly type: "bye";
  readonly from: string;
}

interface Ask {
  readonly type: "ask";
  readonly from: string;
  /** Unique among what this node asks. */
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

export function encodeClusterMessage(word: ClusterMessage): Buffer {
  return Buffer.from(JSON.stringify(word));
}

/** Undefined for what no node says: others can publish on the bus, too. */
export function decodeClusterMessage(bytes: Uint8Array): ClusterMessage | undefined {
  try {
    const value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()) as unknown;
    return isWord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function toRefusal(fault: unknown): { readonly code: ErrorCode; readonly message: string } {
  const { code, message } = CarillonError.from(fault);
  return { code, message };
}

const CHECKS: { readonly [Type in ClusterMessage["type"]]: (word: JsonObject) => boolean } = {
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

/** A node's id is a token of its subject. */
const NODE = /^[\w-]{1,64}$/;

function isWord(value: unknown): value is ClusterMessage {
  if (typeof value !== "object" || value === null) return false;
  const word = value as JsonObject;
  const { from, type } = word;
  if (typeof from !== "string" || !NODE.test(from) || typeof type !== "string") return false;
  return Object.hasOwn(CHECKS, type) && CHECKS[type as ClusterMessage["type"]](word);
}
