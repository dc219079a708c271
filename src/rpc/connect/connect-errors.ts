import type { IncomingMessage, ServerResponse } from "node:http";
import type { DescMessage } from "@bufbuild/protobuf";
import { ConnectError, createContextKey, type Interceptor } from "@connectrpc/connect";
import { CarillonError, GRPC_STATUS, HTTP_STATUS, retryAfterSeconds } from "../../errors.js";
import { errorDetails } from "../error-details.js";
import { isDisconnect, type OnFault, toCallerError } from "../faults.js";
import { parseRpcForm } from "./rpc-form.js";

/** Converts an error to a ConnectError. @param type - the request's type */
export function toConnectError(cause: unknown, type: DescMessage, onFault: OnFault): ConnectError {
  if (cause instanceof ConnectError) return cause;
  const error = toCallerError(cause, onFault);
  const converted = new ConnectError(error.message, GRPC_STATUS[error.code]);
  converted.details.push(...errorDetails(error, type));
  // Connect sends the metadata of a unary call's error as headers.
  const seconds = retryAfterSeconds(error);
  if (seconds !== undefined) converted.metadata.set("retry-after", String(seconds));
  return converted;
}

/** Context key of the callback for faults during a request. */
export const ON_FAULT = createContextKey<OnFault>(() => {});

/** Reports faults of this server. A disconnected caller is not a fault. */
export function ignoreDisconnects({ socket }: IncomingMessage, onFault: OnFault): OnFault {
  return (cause) => {
    if (!socket.destroyed || !isDisconnect(cause)) onFault(cause);
  };
}

/** Converts CarillonErrors to Connect's errors, in answers and within streams. */
export function convertErrors(): Interceptor {
  return (next) => async (request) => {
    const onFault = request.contextValues.get(ON_FAULT);
    const convert = (cause: unknown): ConnectError => toConnectError(cause, request.method.input, onFault);
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: convertStreamErrors(response.message, convert) } : response;
    } catch (cause) {
      throw convert(cause);
    }
  };
}

async function* convertStreamErrors<T>(
  stream: AsyncIterable<T>,
  convert: (cause: unknown) => ConnectError,
): AsyncGenerator<T> {
  try {
    yield* stream;
  } catch (cause) {
    throw convert(cause);
  }
}

/** Answers a call of an unknown method (rule E18). gRPC-Web has the status in the header of an answer without messages. */
export function answerUnknownMethod(request: IncomingMessage, response: ServerResponse): void {
  const contentType = request.headers["content-type"] ?? "";
  const message = "unknown method";
  if (parseRpcForm(contentType)?.protocol === "grpc-web") {
    const status = { "grpc-status": GRPC_STATUS.unimplemented, "grpc-message": encodeURIComponent(message) };
    response.writeHead(200, { "content-type": contentType, ...status });
    response.end();
  } else {
    answerPlain(response, new CarillonError("unimplemented", message));
  }
}

/** Answers a method with a stream of requests, which needs HTTP/2 (rule R8). It closes the connection, because the caller may still be writing. */
export function answerNeedsHttp2(response: ServerResponse): void {
  const message = "client streaming requires HTTP/2: call the gRPC port instead";
  answerPlain(response, new CarillonError("unimplemented", message), 505, { connection: "close" });
}

/** @param allow - HTTP methods that the RPC accepts */
export function answerWrongHttpMethod(request: IncomingMessage, response: ServerResponse, allow: string): void {
  const message = `method ${request.method} not allowed; allowed: ${allow}; GET is only for RPCs without side effects`;
  answerPlain(response, new CarillonError("unimplemented", message), 405, { allow });
}

/** @param accepted - media types that the RPC accepts */
export function answerWrongMediaType(
  { headers }: IncomingMessage,
  response: ServerResponse,
  accepted: readonly string[],
): void {
  const contentType = headers["content-type"];
  const reason =
    contentType === undefined
      ? "content-type is missing"
      : `content-type ${JSON.stringify(contentType)} is not supported`;
  const message = `${reason}; supported: ${accepted.join(", ")}. JSON must be UTF-8. gRPC has its own port`;
  answerPlain(response, new CarillonError("unimplemented", message), 415, { "accept-post": accepted.join(", ") });
}

/** Answers a request whose Host header is missing or malformed. */
export function answerBadHost(response: ServerResponse): void {
  answerPlain(response, new CarillonError("invalid_argument", "the Host header is missing or malformed"));
}

/** Answers with the error as JSON when the caller's protocol is unknown. */
export function answerPlain(
  response: ServerResponse,
  error: CarillonError,
  status = HTTP_STATUS[error.code],
  headers: Readonly<Record<string, string>> = {},
): void {
  const { code, message } = error;
  const seconds = retryAfterSeconds(error);
  if (seconds !== undefined) response.setHeader("retry-after", seconds);
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify({ code, message }));
}
