import type { DescMessage } from "@bufbuild/protobuf";
import type { CarillonError } from "../../errors.js";
import { encodeHeaders } from "../../http2/hpack/encode-headers.js";
import { ACCEPTED_ENCODINGS } from "../grpc/message-encoding.js";
import { statusHeaders, statusTrailers } from "../grpc/status-headers.js";

/** The text is for clients that show it with any status, as @grpc/grpc-js sends it. */
const OK_STATUS = { "grpc-status": "0", "grpc-message": "OK" };
const ANSWER = { ":status": "200", "content-type": "application/grpc+proto" };

/** Headers of an answer with messages. Source: gRPC over HTTP/2, Response-Headers. */
export const ANSWER_HEADERS = encode({ ...ANSWER, "grpc-accept-encoding": ACCEPTED_ENCODINGS });

/** Trailers of an answer without an error. */
export const OK_TRAILERS = encode(OK_STATUS);

/** Headers of an answer without messages and without an error. Source: gRPC over HTTP/2, Trailers-Only. */
export const OK_HEADERS = encode({ ...ANSWER, ...OK_STATUS });

const PLAIN_TEXT = { "content-type": "text/plain" };

/** Headers of the answer to a request that is not gRPC (HTTP status 415). Source: gRPC over HTTP/2, Content-Type. */
export const UNSUPPORTED_MEDIA_TYPE = encode({ ":status": "415", ...PLAIN_TEXT });

/** Headers of the answer to a request with another method than POST (HTTP status 405; RFC 9110, section 15.5.6). */
export const METHOD_NOT_ALLOWED = encode({ ":status": "405", allow: "POST", ...PLAIN_TEXT });

/** Body of these two answers. */
export const NOT_GRPC = Buffer.from("This port serves gRPC: it needs POST with the content-type application/grpc.\n");

/**
 * Encodes an error as the headers of an answer without messages.
 * @param type - the request's type; undefined if unknown
 */
export function encodeErrorHeaders(error: CarillonError, type?: DescMessage): Buffer {
  return encode(statusHeaders(error, type));
}

/** Encodes an error as the trailers of an answer. @param type - as of {@link encodeErrorHeaders} */
export function encodeErrorTrailers(error: CarillonError, type?: DescMessage): Buffer {
  return encode(statusTrailers(error, type));
}

function encode(fields: Readonly<Record<string, string>>): Buffer {
  return encodeHeaders(Object.entries(fields).map(([name, value]) => ({ name, value })));
}
