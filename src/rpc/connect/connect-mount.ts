import type { IncomingMessage, ServerResponse } from "node:http";
import { createConnectRouter, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { backendId, VHOST_HEADER } from "../../access/keys/backend.js";
import { CarillonError } from "../../errors.js";
import { receiveBody } from "../../net/body/receive-body.js";
import type { OpenRequestLease } from "../../net/byte-budget.js";
import type { Handler } from "../../net/http-handler.js";
import type { CallAuthorizer } from "../call-authorizer.js";
import { requestTooLarge } from "../call-errors.js";
import { READ_OPTIONS } from "../decode.js";
import type { OnFault } from "../faults.js";
import { listMethods, type RpcMethod, type ServiceImplementations } from "../service.js";
import { checkWebTimeouts } from "../timeout-headers.js";
import { openConnectBody, sentLimit } from "./connect-body.js";
import {
  answerBadHost,
  answerNeedsHttp2,
  answerPlain,
  answerUnknownMethod,
  answerWrongHttpMethod,
  answerWrongMediaType,
  convertErrors,
  ignoreDisconnects,
  ON_FAULT,
  toConnectError,
} from "./connect-errors.js";
import { type AdmittedCaller, CALLER, releaseOnClose, toConnectHandler } from "./connect-methods.js";
import { allowedMethods, type ConnectRequest, openConnectRequest } from "./connect-request.js";
import {
  type Admit,
  COMPRESSED_FROM,
  createDirectHandler,
  type FallbackHandler,
  type Receive,
} from "./direct-handler.js";
import { encodeAnswerAsBase64 } from "./grpc-web-text.js";
import { listMediaTypes } from "./rpc-form.js";

const COMPRESSIONS = [compressionGzip, compressionBrotli];

/** Status whose answer must name the authentication scheme. Source: RFC 9110 §15.5.2. */
const UNAUTHORIZED = 401;

export interface ConnectMountOptions {
  readonly services: ServiceImplementations;
  readonly authorizer: CallAuthorizer;
  /** Largest request, in bytes, as sent and as inflated. */
  readonly requestBytes: number;
  readonly openLease: OpenRequestLease;
  /** Receives errors that are faults of this server. */
  readonly onFault: OnFault;
}

/** Method with its universal handler. */
interface Endpoint {
  readonly handle: UniversalHandler;
  readonly method: RpcMethod;
}

export interface ConnectMount {
  /** Path prefixes of the services. */
  readonly prefixes: readonly string[];
  readonly handler: Handler;
}

/**
 * Serves Connect, gRPC-Web and Connect-JSON on the HTTP port. It replaces connectNodeAdapter, which reports a malformed
 * request as INTERNAL, answers an unknown method with a bare 404, and throws on an invalid Host header.
 */
export function connectMount(options: ConnectMountOptions): ConnectMount {
  const { authorizer, onFault, openLease, requestBytes, services } = options;
  const router = createConnectRouter({
    readMaxBytes: requestBytes,
    acceptCompression: COMPRESSIONS,
    compressMinBytes: COMPRESSED_FROM,
    binaryOptions: READ_OPTIONS,
    interceptors: [convertErrors()],
  });
  const methods = new Map<string, RpcMethod>();
  for (const service of services) {
    for (const method of listMethods(service)) {
      methods.set(method.path, method);
      router.rpc(method.desc, toConnectHandler(method, authorizer) as Parameters<typeof router.rpc>[1]);
    }
  }
  /** Admits the caller before its body is read. */
  const admit: Admit = ({ action }, request) => {
    const { authorization, [VHOST_HEADER]: vhost } = request.headers;
    const credentials = { authorization, certificate: undefined, vhost: typeof vhost === "string" ? vhost : undefined };
    const backend = authorizer.admit(credentials, action);
    const answerLease = authorizer.openAnswer(backend, action);
    const lease = openLease(request, backendId(backend));
    return { backend, credentials, lease, answerLease };
  };
  const admitUntilClosed = (method: RpcMethod, request: IncomingMessage, response: ServerResponse): AdmittedCaller => {
    const caller = admit(method, request);
    releaseOnClose(caller, response);
    return caller;
  };

  const answer = async (
    { handle, method }: Endpoint,
    { form, source, universal }: ConnectRequest & { readonly universal: UniversalServerRequest },
    request: IncomingMessage,
    response: ServerResponse,
    report: OnFault,
    receive: Receive | undefined,
  ): Promise<void> => {
    universal.contextValues = createContextValues().set(ON_FAULT, report);
    const begin = performance.now();
    try {
      checkWebTimeouts(universal.header);
      const { body, caller } = receive?.() ?? {
        caller: admitUntilClosed(method, request, response),
        body: undefined,
      };
      const { lease } = caller;
      const received =
        body ?? (await receiveBody(source, { lease, limit: sentLimit(form, requestBytes), tooLarge: requestTooLarge }));
      const { complete, chunks } = await openConnectBody(received, universal.header, {
        form,
        type: method.desc.input,
        limit: requestBytes,
        jsonExtension: method.jsonExtension,
        lease,
      });
      universal.contextValues.set(CALLER, { complete, readingTime: performance.now() - begin, ...caller });
      universal.body = iterate(chunks);
    } catch (cause) {
      // Discards the rest of the body, so that the caller reads the answer.
      request.resume();
      universal.body = failingBody(toConnectError(cause, method.desc.input, report));
    }
    const answered = await handle(universal);
    if (answered.status === UNAUTHORIZED) answered.header?.set("www-authenticate", "Bearer");
    // The answer is a snapshot for the holder of one key, so caches must not store it.
    if (request.method === "GET") answered.header?.set("cache-control", "no-store");
    await universalResponseToNodeResponse(form.text ? encodeAnswerAsBase64(answered) : answered, response);
  };

  const serve = (endpoint: Endpoint, request: IncomingMessage, response: ServerResponse, receive?: Receive): void => {
    const opened = openOrRefuse(endpoint.method, request, response);
    if (opened === undefined) return;
    const universal = universalRequest(request, response);
    if (universal === undefined) {
      answerBadHost(response);
      return;
    }
    universal.method = "POST";
    for (const [name, value] of Object.entries(opened.headers)) universal.header.set(name, value);
    const report = ignoreDisconnects(request, onFault);
    answer(endpoint, { universal, ...opened }, request, response, report, receive).catch((cause: unknown) => {
      if (!response.destroyed) report(cause);
      response.destroy();
    });
  };

  const endpoints = new Map<string, Endpoint>();
  const direct = new Map<string, Handler>();
  for (const handle of router.handlers) {
    const method = methods.get(handle.requestPath);
    if (method === undefined) continue;
    const endpoint = { handle, method };
    endpoints.set(handle.requestPath, endpoint);
    const fallBack: FallbackHandler = (request, response, receive) => serve(endpoint, request, response, receive);
    const handler = createDirectHandler(method, { admit, fallBack, limit: requestBytes, compressions: COMPRESSIONS });
    if (handler !== undefined) direct.set(handle.requestPath, handler);
  }

  const handler: Handler = (request, response) => {
    const { url = "" } = request;
    const handleDirectly = direct.get(url);
    if (handleDirectly !== undefined) {
      handleDirectly(request, response);
      return;
    }
    const endpoint = endpoints.get(url.split("?", 1)[0] ?? "");
    if (endpoint === undefined) answerUnknownMethod(request, response);
    else serve(endpoint, request, response);
  };
  return { prefixes: services.map(({ service }) => `/${service.typeName}/`), handler };
}

/** Opens a request, or answers it with an error if the method cannot be called this way. @returns undefined if it was answered */
function openOrRefuse(
  method: RpcMethod,
  request: IncomingMessage,
  response: ServerResponse,
): ConnectRequest | undefined {
  const allowed = allowedMethods(method);
  if (!allowed.includes(request.method ?? "")) {
    answerWrongHttpMethod(request, response, allowed.join(", "));
    return undefined;
  }
  if (takesStream(method)) {
    answerNeedsHttp2(response);
    return undefined;
  }
  try {
    const opened = openConnectRequest(request, method);
    if (opened === undefined) answerWrongMediaType(request, response, listMediaTypes(method));
    return opened;
  } catch (cause) {
    answerPlain(response, CarillonError.from(cause));
    return undefined;
  }
}

function takesStream({ desc: { methodKind } }: RpcMethod): boolean {
  return methodKind === "client_streaming" || methodKind === "bidi_streaming";
}

/** @returns undefined if the Host header is missing or malformed, for which connect-node throws */
function universalRequest(request: IncomingMessage, response: ServerResponse): UniversalServerRequest | undefined {
  try {
    return universalRequestFromNodeRequest(request, response, undefined, undefined);
  } catch {
    return undefined;
  }
}

async function* iterate(all: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* all;
}

/** Body that fails when it is read. Connect then reports the error in the caller's protocol. */
function failingBody(cause: unknown): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(cause) }) };
}
