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
import type { OpenRequestLease } from "../../net/byte-budget.js";
import type { AnswerLease } from "../answer-budget.js";
import { READ_OPTIONS } from "../decode.js";
import type { OnFault } from "../faults.js";
import type { Gatekeeper } from "../gatekeeper.js";
import { listMethods, type RpcMethod, type ServiceImplementations } from "../service.js";
import { checkWebTimeouts } from "../timeout-headers.js";
import { readConnectBody } from "./connect-body.js";
import {
  answerBadHost,
  answerNeedsHttp2,
  answerPlain,
  answerUnknownMethod,
  answerWrongHttpMethod,
  answerWrongMediaType,
  connectError,
  ON_FAULT,
  readFaults,
  sayErrors,
} from "./connect-errors.js";
import { CALLER, type ConnectCaller, connectMethod } from "./connect-methods.js";
import { allowedMethods, type ConnectRequest, openConnectRequest } from "./connect-request.js";
import { asBase64 } from "./grpc-web-text.js";
import { listMediaTypes } from "./rpc-form.js";

/** Says how to show a key, as the status demands. Source: RFC 9110 §15.5.2. */
const UNAUTHORIZED = 401;

export interface ConnectMountOptions {
  readonly services: ServiceImplementations;
  readonly gatekeeper: Gatekeeper;
  /** Largest request, in bytes, as sent and as inflated. */
  readonly requestBytes: number;
  readonly openLease: OpenRequestLease;
  /** Told of errors that are faults of this server and not refusals. */
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
export function connectMount(options: ConnectMountOptions): ConnectMount {
  const { gatekeeper, onFault, openLease, requestBytes, services } = options;
  const router = createConnectRouter({
    readMaxBytes: requestBytes,
    acceptCompression: [compressionGzip, compressionBrotli],
    binaryOptions: READ_OPTIONS,
    interceptors: [sayErrors()],
  });
  const methods = new Map<string, RpcMethod>();
  for (const service of services) {
    for (const method of listMethods(service)) {
      methods.set(method.path, method);
      router.rpc(method.desc, connectMethod(method, gatekeeper) as Parameters<typeof router.rpc>[1]);
    }
  }
  const offered = new Map(
    router.handlers.map((handle) => [handle.requestPath, { handle, method: methods.get(handle.requestPath) }]),
  );

  const serve = async (
    handle: UniversalHandler,
    method: RpcMethod,
    { form, source, universal }: ConnectRequest & { readonly universal: UniversalServerRequest },
    request: IncomingMessage,
    response: ServerResponse,
    report: OnFault,
  ): Promise<void> => {
    universal.contextValues = createContextValues().set(ON_FAULT, report);
    const begin = performance.now();
    let answerLease: AnswerLease | undefined;
    try {
      checkWebTimeouts(universal.header);
      const caller = admitted(method, request);
      answerLease = gatekeeper.openAnswer(caller.backend, method.action);
      response.once("close", () => answerLease?.settle());
      // The promise of connect-node's answer never settles, so nothing can be left to its end.
      response.once("close", () => caller.lease.release());
      const { complete, chunks } = await readConnectBody(source, universal.header, {
        form,
        type: method.desc.input,
        limit: requestBytes,
        jsonExtension: method.jsonExtension,
        lease: caller.lease,
      });
      universal.contextValues.set(CALLER, { ...caller, answerLease, complete, readingTime: performance.now() - begin });
      universal.body = eachOf(chunks);
    } catch (cause) {
      // Taken and thrown away, so that the caller comes to read the answer.
      request.resume();
      universal.body = failure(connectError(cause, method.desc.input, report));
    }
    const answer = await handle(universal);
    if (answer.status === UNAUTHORIZED) answer.header?.set("www-authenticate", "Bearer");
    // A snapshot for the holder of a key: caches must not keep it.
    if (request.method === "GET") answer.header?.set("cache-control", "no-store");
    await universalResponseToNodeResponse(form.text ? asBase64(answer) : answer, response);
  };

  /** A refused caller's body is not read. @throws CarillonError as Gatekeeper.admit does */
  const admitted = (
    { action }: RpcMethod,
    request: IncomingMessage,
  ): Pick<ConnectCaller, "backend" | "credentials" | "lease"> => {
    const { authorization, [VHOST_HEADER]: vhost } = request.headers;
    const credentials = { authorization, certificate: undefined, vhost: typeof vhost === "string" ? vhost : undefined };
    const backend = gatekeeper.admit(credentials, action);
    return { backend, credentials, lease: openLease(request, backendId(backend)) };
  };

  const handler = (request: IncomingMessage, response: ServerResponse): void => {
    const { handle, method } = offered.get(request.url?.split("?", 1)[0] ?? "") ?? {};
    if (handle === undefined || method === undefined) {
      answerUnknownMethod(request, response);
      return;
    }
    const asked = askedOf(method, request, response);
    if (asked === undefined) return;
    const universal = universalRequest(request, response);
    if (universal === undefined) {
      answerBadHost(response);
      return;
    }
    universal.method = "POST";
    for (const [name, value] of Object.entries(asked.headers)) universal.header.set(name, value);
    const report = readFaults(request, onFault);
    serve(handle, method, { ...asked, universal }, request, response, report).catch((cause: unknown) => {
      if (!response.destroyed) report(cause);
      response.destroy();
    });
  };
  return { prefixes: services.map(({ service }) => `/${service.typeName}/`), handler };
}

/** @returns undefined where it has been refused: it does not speak as the method is called */
function askedOf(method: RpcMethod, request: IncomingMessage, response: ServerResponse): ConnectRequest | undefined {
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
    const asked = openConnectRequest(request, method);
    if (asked === undefined) answerWrongMediaType(request, response, listMediaTypes(method));
    return asked;
  } catch (cause) {
    answerPlain(response, CarillonError.from(cause));
    return undefined;
  }
}

function takesStream({ desc: { methodKind } }: RpcMethod): boolean {
  return methodKind === "client_streaming" || methodKind === "bidi_streaming";
}

/** @returns undefined where the Host header is missing or malformed: connect-node throws there */
function universalRequest(request: IncomingMessage, response: ServerResponse): UniversalServerRequest | undefined {
  try {
    return universalRequestFromNodeRequest(request, response, undefined, undefined);
  } catch {
    return undefined;
  }
}

async function* eachOf(all: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* all;
}

/** Thrown where the body is read, a refusal is said in the words of the protocol that the request came by. */
function failure(cause: unknown): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(cause) }) };
}
