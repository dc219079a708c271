import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { type CarillonError, findRetryDelay, GRPC_STATUS } from "../errors.js";

/**
 * Detail of an error, encoded by the published field numbers of google/rpc/error_details.proto and google/rpc/status.proto.
 * The messages are small. Encoding them by hand avoids generated files that would collide with those of callers.
 */
export interface ErrorDetail {
  /** The message's full name. */
  readonly type: string;
  readonly value: Uint8Array;
}

/** Beginning of the texts that a history store gives to positions from which it cannot read. */
const RECOVERY_FAILURE = /^(expired|unknown_position|too_many): /;

/** Domain of the reasons in an ErrorInfo. */
const DOMAIN = "carillon";

/**
 * Largest field path and largest description sent, in UTF-16 code units. Peers limit the size of the metadata that carries
 * them.
 */
const MAX_TEXT = 256;

/** @param type - the request's type; undefined if unknown */
export function errorDetails(error: CarillonError, type: DescMessage | undefined): readonly ErrorDetail[] {
  if (error.code === "invalid_argument" && type !== undefined) {
    const problem = findFieldProblem(error.message, type);
    return problem === undefined ? [] : [badRequest(problem)];
  }
  const failure = error.code === "failed_precondition" ? RECOVERY_FAILURE.exec(error.message)?.[1] : undefined;
  if (failure !== undefined) return [errorInfo(failure.toUpperCase())];
  const retryDelay = findRetryDelay(error);
  return retryDelay === undefined ? [] : [retryInfo(retryDelay)];
}

/** Encodes a google.rpc.Status for the trailer `grpc-status-details-bin`. */
export function encodeStatus({ code, message }: CarillonError, details: readonly ErrorDetail[]): Uint8Array {
  const status = new BinaryWriter()
    .uint32(tag(1, VARINT))
    .int32(GRPC_STATUS[code])
    .uint32(tag(2, BYTES))
    .string(message);
  for (const { type, value } of details) {
    const any = new BinaryWriter()
      .uint32(tag(1, BYTES))
      .string(`type.googleapis.com/${type}`)
      .uint32(tag(2, BYTES))
      .bytes(value);
    status.uint32(tag(3, BYTES)).bytes(any.finish());
  }
  return status.finish();
}

function badRequest({ description, field }: FieldProblem): ErrorDetail {
  const violation = new BinaryWriter()
    .uint32(tag(1, BYTES))
    .string(clip(field))
    .uint32(tag(2, BYTES))
    .string(clip(description));
  const value = new BinaryWriter().uint32(tag(1, BYTES)).bytes(violation.finish()).finish();
  return { type: "google.rpc.BadRequest", value };
}

/** @param reason - in upper snake case, as Google's API guidelines demand */
function errorInfo(reason: string): ErrorDetail {
  const value = new BinaryWriter().uint32(tag(1, BYTES)).string(reason).uint32(tag(2, BYTES)).string(DOMAIN).finish();
  return { type: "google.rpc.ErrorInfo", value };
}

/** @param delay - milliseconds */
function retryInfo(delay: number): ErrorDetail {
  const duration = new BinaryWriter()
    .uint32(tag(1, VARINT))
    .int64(Math.floor(delay / 1_000))
    .uint32(tag(2, VARINT))
    .int32(Math.round(delay % 1_000) * 1_000_000);
  const value = new BinaryWriter().uint32(tag(1, BYTES)).bytes(duration.finish()).finish();
  return { type: "google.rpc.RetryInfo", value };
}

/** Wire types. Source: the protobuf encoding. */
const VARINT = 0;
const BYTES = 2;

function tag(field: number, wireType: number): number {
  return (field << 3) | wireType;
}

function clip(text: string): string {
  return text.length <= MAX_TEXT ? text : `${Buffer.from(text.slice(0, MAX_TEXT - 1)).toString()}…`;
}

/** Field of a request that an error names, with a description of the problem. */
interface FieldProblem {
  /** For example `messages[0].topics[1]`. */
  readonly field: string;
  readonly description: string;
}

const STEP = String.raw`[a-zA-Z_]\w*(?:\[\d+\])?`;

/** A field path followed by a description. */
const FAULT = new RegExp(String.raw`^(${STEP}(?:\.${STEP})*):? (.+)$`, "s");

/** @returns undefined if the text does not begin with a field of this type */
function findFieldProblem(text: string, type: DescMessage): FieldProblem | undefined {
  const [, field = "", description = ""] = FAULT.exec(text) ?? [];
  return isFieldPath(field, type) ? { field, description } : undefined;
}

function isFieldPath(path: string, root: DescMessage): boolean {
  let type: DescMessage | undefined = root;
  for (const step of path.split(".")) {
    const [name = "", position] = step.split("[", 2);
    const field: DescField | undefined = type?.fields.find((each) => each.name === name || each.jsonName === name);
    if (field === undefined || (position !== undefined && field.fieldKind !== "list")) return false;
    type = field.message;
  }
  return true;
}
