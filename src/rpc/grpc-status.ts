import { type ServiceError } from "@grpc/grpc-js";
import { type CarillonError, GRPC_STATUS } from "../errors.js";

/** An error in the terms of @grpc/grpc-js, which percent-encodes the text. */
export function grpcStatus({ code, message }: CarillonError): Pick<ServiceError, "code" | "details"> {
  return { code: GRPC_STATUS[code], details: message };
}

/** An error as the headers of an answer that has no message. */
export function statusHeaders({ code, message }: CarillonError): Record<string, string> {
  return {
    "grpc-status": String(GRPC_STATUS[code]),
    "grpc-message": encodeURI(message),
    "grpc-accept-encoding": "identity,deflate,gzip",
  };
}
