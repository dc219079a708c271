import type { DescMessage } from "@bufbuild/protobuf";
import { Metadata, type StatusObject } from "@grpc/grpc-js";
import { type CarillonError, GRPC_STATUS } from "../../errors.js";
import { encodeStatus, errorDetails } from "../error-details.js";

/** Trailer for google.rpc.Status, by the convention of gRPC's libraries. */
const DETAILS = "grpc-status-details-bin";

/**
 * Converts an error to the terms of @grpc/grpc-js, which percent-encodes the text.
 * @param type - the request's type; undefined if unknown
 */
export function grpcStatus(error: CarillonError, type?: DescMessage): StatusObject {
  const metadata = new Metadata();
  const details = errorDetails(error, type);
  if (details.length > 0) metadata.set(DETAILS, Buffer.from(encodeStatus(error, details)));
  return { code: GRPC_STATUS[error.code], details: error.message, metadata };
}

/** Encodes an error as the headers of an answer without messages. */
export function statusHeaders(error: CarillonError): Record<string, string> {
  const details = errorDetails(error, undefined);
  return {
    "grpc-status": String(GRPC_STATUS[error.code]),
    "grpc-message": encodeURI(error.message),
    ...(details.length > 0 && { [DETAILS]: Buffer.from(encodeStatus(error, details)).toString("base64") }),
    "grpc-accept-encoding": "identity,deflate,gzip",
  };
}
