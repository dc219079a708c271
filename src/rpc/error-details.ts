import type { DescMessage } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { type CarillonError, type ErrorCode, GRPC_STATUS } from "../errors.js";
import { type FieldFault, findFieldFault } from "./field-path.js";

/**
 * The details of errors, by the published field numbers of google/rpc/error_details.proto and google/rpc/status.proto. They are
 * three small messages: written by hand, they need no files that would collide with those that callers have.
 */
export interface ErrorDetail {
  /** The message's full name. */
  readonly type: string;
  readonly value: Uint8Array;
}

/** Codes of failures that may pass. */
const TRANSIENT: ReadonlySet<ErrorCode> = new Set(["resource_exhausted", "unavailable"]);

/** Milliseconds after which to try again where the error does not say. */
const RETRY_DELAY = 1_000;

/** Longest field and description that are sent, in UTF-16 code units: all details are within the metadata that peers take. */
const MOST_TEXT = 256;

/** @param type - of the request; undefined where it is not known */
export function errorDetails(error: CarillonError, type: DescMessage | undefined): readonly ErrorDetail[] {
  if (error.code === "invalid_argument" && type !== undefined) {
    const fault = findFieldFault(error.message, type);
    return fault === undefined ? [] : [badRequest(fault)];
  }
  const { retryDelay = RETRY_DELAY } = error;
  return TRANSIENT.has(error.code) && Number.isFinite(retryDelay) ? [retryInfo(retryDelay)] : [];
}

/** A google.rpc.Status, as the trailer `grpc-status-details-bin` has it. */
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

function badRequest({ description, field }: FieldFault): ErrorDetail {
  const violation = new BinaryWriter()
    .uint32(tag(1, BYTES))
    .string(clip(field))
    .uint32(tag(2, BYTES))
    .string(clip(description));
  const value = new BinaryWriter().uint32(tag(1, BYTES)).bytes(violation.finish()).finish();
  return { type: "google.rpc.BadRequest", value };
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
  return text.length <= MOST_TEXT ? text : `${Buffer.from(text.slice(0, MOST_TEXT - 1)).toString()}…`;
}
