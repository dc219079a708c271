import type { IncomingMessage, ServerResponse } from "node:http";
import type { DescMessage } from "@bufbuild/protobuf";
import { ConnectError, createContextKey, type Interceptor } from "@connectrpc/connect";
import { CarillonError, GRPC_STATUS, HTTP_STATUS } from "../../errors.js";
import { errorDetails } from "../error-details.js";
import { answerable, isDisconnect, type OnFault } from "../faults.js";
import { parseRpcForm } from "./rpc-form.js";

/** A CarillonError as a ConnectError. @param type - of the request */
export function connectError(cause: unknown, type: DescMessage, onFault: OnFault): ConnectError {
  if (cause instanceof ConnectError) return cause;
  const error = answerable(cause, onFault);
  const said = new ConnectError(error.message, GRPC_STATUS[error.code]);
  said.details.push(...errorDetails(error, type));
  return said;
}

/** Context key of the callback that is told of a request's faults. */
export const ON_FAULT = createContextKey<OnFault>(() => {});

/** Reports faults of this server; a caller that has gone is not one. */
export function readFaults({ socket }: IncomingMessage, onFault: OnFault): OnFault {
  return (cause) => {
    if (!socket.destroyed || !isDisconnect(cause)) onFault(cause);
  };
}

/** Turns our errors into Connect's, in answers and in the middle of streams. */
export function sayErrors(): Interceptor {
  return (next) => async (request) => {
    const onFault = request.contextValues.get(ON_FAULT);
    const said = (cause: unknown): ConnectError => connectError(cause, request.method.input, onFault);
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: saidWithin(response.message, said) } : response;
    } catch (cause) {
      throw said(cause);
    }
  };
}

async function* saidWithin<T>(stream: AsyncIterable<T>, said: (cause: unknown) => ConnectError): AsyncGenerator<T> {
  try {
    yield* stream;
  } catch (cause) {
    throw said(cause);
  }
}

/** Rule E18. Of gRPC-Web the status is in the header where nothing else is said. */
export function answerUnknownMethod(request: IncomingMessage, response: ServerResponse): void {
  const contentType = request.headers["content-type"] ?? "";
  const message = "there is no such method";
  if (parseRpcForm(contentType)?.protocol === "grpc-web") {
    const status = { "grpc-status": GRPC_STATUS.unimplemented, "grpc-message": encodeURIComponent(message) };
    response.writeHead(200, { "content-type": contentType, ...status });
    response.end();
  } else {
    answerPlain(response, new CarillonError("unimplemented", message));
  }
}

/** Rule R8: what takes streams of requests needs HTTP/2. Who expects to write on would wait for ever on the connection. */
export function answerNeedsHttp2(response: ServerResponse): void {
  const message = "streams of requests need HTTP/2, and this is HTTP/1.1: call the gRPC port";
  answerPlain(response, new CarillonError("unimplemented", message), 505, { connection: "close" });
}

/** @param allow - the HTTP methods that a method of RPC is called by */
export function answerWrongHttpMethod(request: IncomingMessage, response: ServerResponse, allow: string): void {
  const message = `${request.method} is not allowed here; allowed: ${allow}; GET is for methods without side effects`;
  answerPlain(response, new CarillonError("unimplemented", message), 405, { allow });
}

/** @param accepted - the media types that the method can be called with */
export function answerWrongMediaType(
  { headers }: IncomingMessage,
  response: ServerResponse,
  accepted: readonly string[],
): void {
  const given = headers["content-type"];
  const what =
    given === undefined ? "content-type is missing" : `content-type ${JSON.stringify(given)} is not supported`;
  const message = `${what}; supported: ${accepted.join(", ")}. JSON is UTF-8. gRPC has a port of its own`;
  answerPlain(response, new CarillonError("unimplemented", message), 415, { "accept-post": accepted.join(", ") });
}

/** The request names no host, or one that is none. */
export function answerBadHost(response: ServerResponse): void {
  answerPlain(response, new CarillonError("invalid_argument", "the Host header is missing or malformed"));
}

/** Answers with the error as JSON, where it is not known which protocol is spoken. */
export function answerPlain(
  response: ServerResponse,
  { code, message }: CarillonError,
  status = HTTP_STATUS[code],
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify({ code, message }));
}
