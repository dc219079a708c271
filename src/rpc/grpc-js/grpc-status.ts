import type { DescMessage } from "@bufbuild/protobuf";
import { Metadata, type StatusObject } from "@grpc/grpc-js";
import { type CarillonError, GRPC_STATUS } from "../../errors.js";
import { encodeDetails, STATUS_DETAILS } from "../grpc/status-headers.js";

/**
 * Converts an error to the terms of @grpc/grpc-js, which percent-encodes the text.
 * @param type - the request's type; undefined if unknown
 */
export function grpcStatus(error: CarillonError, type?: DescMessage): StatusObject {
  const metadata = new Metadata();
  const details = encodeDetails(error, type);
  if (details !== undefined) metadata.set(STATUS_DETAILS, details);
  return { code: GRPC_STATUS[error.code], details: error.message, metadata };
}
