import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { RpcMethod } from "../service.js";
import { acceptsGet, readConnectGet } from "./connect-get.js";
import { isSupportedForm, parseRpcForm, type RpcForm } from "./rpc-form.js";

/** Request of one message. A GET is converted to the equivalent POST. */
export interface ConnectRequest {
  readonly form: RpcForm;
  /** Stream of the request's body. */
  readonly source: Readable;
  /** Headers that replace those of the request. */
  readonly headers: Readonly<Record<string, string>>;
}

/** HTTP methods that an RPC accepts, in the order of the `Allow` header. */
export function allowedMethods(method: RpcMethod): readonly string[] {
  return acceptsGet(method) ? ["GET", "POST"] : ["POST"];
}

/**
 * Finds the form of a request.
 * @returns undefined for a media type that the method does not accept
 * @throws CarillonError invalid_argument: the query does not contain a request
 */
export function openConnectRequest(request: IncomingMessage, method: RpcMethod): ConnectRequest | undefined {
  if (request.method === "GET") return fromQuery(request.url ?? "");
  const form = parseRpcForm(request.headers["content-type"]);
  if (form === undefined || !isSupportedForm(form, method)) return undefined;
  return { form, source: request, headers: { "content-type": form.contentType } };
}

function fromQuery(url: string): ConnectRequest {
  const { compression, form, message } = readConnectGet(url);
  return {
    form,
    source: Readable.from([message]),
    headers: {
      "content-type": form.contentType,
      ...(compression === undefined ? {} : { "content-encoding": compression }),
    },
  };
}
