import type { IncomingMessage, ServerResponse } from "node:http";
import { ConnectError, createContextKey, type Interceptor } from "@connectrpc/connect";
import { type ErrorCode, GRPC_STATUS, HTTP_STATUS } from "../errors.js";
import { answerable, isDisconnect, type OnFault } from "./faults.js";

/** Our error as Connect's. */
export function connectError(cause: unknown, onFault: OnFault): ConnectError {
  if (cause instanceof ConnectError) return cause;
  const { code, message } = answerable(cause, onFault);
  return new ConnectError(message, GRPC_STATUS[code]);
}

/** Where the mount puts who is told of a request's faults. */
export const ON_FAULT = createContextKey<OnFault>(() => {});

/** Tells of faults of ours; that the caller of this request has gone is none. */
export function faultsOf({ socket }: IncomingMessage, onFault: OnFault): OnFault {
  return (cause) => {
    if (!socket.destroyed || !isDisconnect(cause)) onFault(cause);
  };
}

/** Turns our errors into Connect's, in answers and in the middle of streams. */
export function sayErrors(): Interceptor {
  return (next) => async (request) => {
    const onFault = request.contextValues.get(ON_FAULT);
    const said = (cause: unknown): ConnectError => connectError(cause, onFault);
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
  if (contentType.startsWith("application/grpc-web")) {
    const status = { "grpc-status": GRPC_STATUS.unimplemented, "grpc-message": encodeURIComponent(message) };
    response.writeHead(200, { "content-type": contentType, ...status });
    response.end();
  } else {
    answer(response, "unimplemented", message);
  }
}

/** Rule R8: what takes streams of requests needs HTTP/2. Who expects to write on would wait for ever on the connection. */
export function answerNeedsHttp2(response: ServerResponse): void {
  response.writeHead(505, { connection: "close" });
  response.end();
}

/** The request names no host, or one that is none. */
export function answerBadHost(response: ServerResponse): void {
  answer(response, "invalid_argument", "the Host header is missing or malformed");
}

function answer(response: ServerResponse, code: ErrorCode, message: string): void {
  response.writeHead(HTTP_STATUS[code], { "content-type": "application/json" });
  response.end(JSON.stringify({ code, message }));
}
