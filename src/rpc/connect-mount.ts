import type { IncomingMessage, ServerResponse } from "node:http";
import { createConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { checkedBody } from "./connect-body.js";
import { answerBadHost, answerUnknownMethod, sayErrors } from "./connect-errors.js";
import { READ_OPTIONS } from "./decode.js";
import type { OnFault } from "./faults.js";
import type { ServiceImplementations } from "./services.js";

export interface ConnectMountOptions {
  readonly services: ServiceImplementations;
  /** Largest request, in bytes, as sent and as inflated. */
  readonly requestBytes: number;
  /** Told of errors that are no refusal but a fault of ours. */
  readonly onFault: OnFault;
}

export interface ConnectMount {
  /** What paths of the services begin with. */
  readonly prefixes: readonly string[];
  readonly handler: (request: IncomingMessage, response: ServerResponse) => void;
}

/**
 * The same services by Connect, gRPC-Web and Connect-JSON, for the HTTP port. It stands in for connectNodeAdapter, which
 * tells a malformed request as INTERNAL, an unknown method as no more than 404, and throws on a bad Host header.
 */
export function connectMount({ onFault, requestBytes, services }: ConnectMountOptions): ConnectMount {
  const router = createConnectRouter({
    readMaxBytes: requestBytes,
    acceptCompression: [compressionGzip, compressionBrotli],
    binaryOptions: READ_OPTIONS,
    interceptors: [sayErrors(onFault)],
  });
  for (const { implementation, service } of services) router.service(service, implementation);
  const handlers = new Map(router.handlers.map((handle) => [handle.requestPath, handle]));

  const serve = async (
    handle: UniversalHandler,
    universal: UniversalServerRequest,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> => {
    const { input, methodKind } = handle.method;
    // Only HTTP/2 carries what is more than unary: Connect refuses it without reading (rule R8).
    if (methodKind === "unary") {
      universal.body = await checkedBody(request, universal.header, input, requestBytes).then(chunks, failure);
    }
    await universalResponseToNodeResponse(await handle(universal), response);
  };

  const handler = (request: IncomingMessage, response: ServerResponse): void => {
    const handle = handlers.get(request.url?.split("?", 1)[0] ?? "");
    if (handle === undefined) {
      answerUnknownMethod(request, response);
      return;
    }
    const universal = universalRequest(request, response);
    if (universal === undefined) {
      answerBadHost(response);
      return;
    }
    serve(handle, universal, request, response).catch((cause: unknown) => {
      // A caller that is gone hears nothing; anything else is a fault.
      if (!response.destroyed) onFault(cause);
      response.destroy();
    });
  };
  return { prefixes: services.map(({ service }) => `/${service.typeName}/`), handler };
}

/** @returns undefined where the Host header is missing or malformed: connect-node throws there */
function universalRequest(request: IncomingMessage, response: ServerResponse): UniversalServerRequest | undefined {
  try {
    return universalRequestFromNodeRequest(request, response, undefined, undefined);
  } catch {
    return undefined;
  }
}

async function* chunks(all: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* all;
}

/** Thrown where the body is read, a refusal is said in the words of the protocol that the request came by. */
function failure(cause: unknown): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(cause) }) };
}
