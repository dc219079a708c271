import type { IncomingMessage, ServerResponse } from "node:http";
import type { Compression } from "@connectrpc/connect/protocol";
import { collectBody } from "../../net/body/receive-body.js";
import type { Handler } from "../../net/http-handler.js";
import { requestTooLarge } from "../call-errors.js";
import type { PlainCodec, RpcMethod } from "../service.js";
import { type AdmittedCaller, releaseOnClose } from "./connect-methods.js";

/** Smallest answer that is compressed, in bytes. */
export const COMPRESSED_FROM = 1_024;

/**
 * Admits the caller of a method.
 * @throws CarillonError as CallAuthorizer.admit does
 */
export type Admit = (method: RpcMethod, request: IncomingMessage) => AdmittedCaller;

/** Returns a request that has been admitted and read. @throws the reason why it was refused */
export type Receive = () => { readonly caller: AdmittedCaller; readonly body: Buffer };

/** Serves a request by connect-es. @param receive - undefined: the request has not been read */
export type FallbackHandler = (request: IncomingMessage, response: ServerResponse, receive?: Receive) => void;

export interface DirectHandlerOptions {
  readonly admit: Admit;
  readonly fallBack: FallbackHandler;
  /** Largest request, in bytes. */
  readonly limit: number;
  /** Compressions of answers. */
  readonly compressions: readonly Compression[];
}

/**
 * Creates a handler that serves plain requests of a method without connect-es, which takes several times as long (bench/NOTES.md).
 * All other requests go to connect-es: those with a compression or a deadline, those whose body is not plain, and all
 * refusals. So both ways give the same answers.
 * @returns undefined for a method without plain codecs
 */
export function createDirectHandler(
  method: RpcMethod,
  { admit, compressions, fallBack, limit }: DirectHandlerOptions,
): Handler | undefined {
  const { desc, handle, plainCodecs } = method;
  if (plainCodecs === undefined || desc.methodKind !== "unary") return undefined;

  const refuse = (request: IncomingMessage, response: ServerResponse, cause: unknown): void => {
    if (response.destroyed) return;
    fallBack(request, response, () => {
      throw cause;
    });
  };

  const respond = (
    request: IncomingMessage,
    response: ServerResponse,
    { codec, type }: Form,
    answer: unknown,
  ): void => {
    const body = codec.encode(answer as object);
    const compression = findCompression(request, body, compressions);
    if (compression === undefined) {
      send(response, ["content-type", type], body);
      return;
    }
    const compressed = compression.compress(Buffer.from(body));
    compressed
      .then((bytes) => send(response, ["content-type", type, "content-encoding", compression.name], bytes))
      .catch((cause: unknown) => refuse(request, response, cause));
  };

  const serve = (request: IncomingMessage, response: ServerResponse, form: Form): void => {
    const caller = admit(method, request);
    const { backend, lease } = caller;
    const onRefused = (cause: unknown): void => {
      lease.release();
      refuse(request, response, cause);
    };
    const onBody = (body: Buffer): void => {
      try {
        const message = form.codec.decode(body);
        if (message === undefined) {
          releaseOnClose(caller, response);
          fallBack(request, response, () => ({ caller, body }));
          return;
        }
        const answer = handle(message, { backend, signal: NEVER, deadline: undefined });
        // From here on, the method itself bounds what it queues.
        lease.release();
        if (answer instanceof Promise) answer.then((one) => respond(request, response, form, one)).catch(onRefused);
        else respond(request, response, form, answer);
      } catch (cause) {
        onRefused(cause);
      }
    };
    collectBody(request, { lease, limit, tooLarge: requestTooLarge }, { onBody, onRefused });
  };

  // The last Host header that connect-es would accept: nearly all requests have the same.
  let knownHost: string | undefined;
  const hasUsableHost = ({ headers: { host }, url = "" }: IncomingMessage): boolean => {
    if (host === undefined) return false;
    if (host === knownHost) return true;
    if (!URL.canParse(url, `http://${host}`)) return false;
    knownHost = host;
    return true;
  };

  return (request, response) => {
    const type = request.headers["content-type"] ?? "";
    const codec = isPlain(request) && hasUsableHost(request) ? plainCodecs.get(type) : undefined;
    if (codec === undefined) {
      fallBack(request, response);
      return;
    }
    try {
      serve(request, response, { codec, type });
    } catch (cause) {
      refuse(request, response, cause);
    }
  };
}

interface Form {
  readonly codec: PlainCodec;
  /** Media type of the request and of the answer. */
  readonly type: string;
}

/** Signal of calls that nothing aborts: methods with plain codecs use neither the signal nor the deadline of a call. */
const NEVER = new AbortController().signal;

/** Returns whether connect-es would treat the request like one with only a content type. */
function isPlain({ headers, method }: IncomingMessage): boolean {
  return (
    method === "POST" &&
    headers["content-encoding"] === undefined &&
    headers["connect-timeout-ms"] === undefined &&
    headers["grpc-timeout"] === undefined
  );
}

/** Finds the first accepted compression, like connect-es; undefined for an answer that is too small for one. */
function findCompression(
  { headers }: IncomingMessage,
  answer: Uint8Array | string,
  compressions: readonly Compression[],
): Compression | undefined {
  if (answer.length < COMPRESSED_FROM) return undefined;
  for (const part of headers["accept-encoding"]?.split(",") ?? []) {
    const found = compressions.find(({ name }) => name === part.trim());
    if (found !== undefined) return found;
  }
  return undefined;
}

function send(response: ServerResponse, headers: string[], body: Uint8Array | string): void {
  headers.push("content-length", String(Buffer.byteLength(body)));
  response.writeHead(200, headers);
  response.end(body);
}
