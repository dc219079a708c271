import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { RpcMethod } from "../service.js";
import { readConnectGet, takesGet } from "./connect-get.js";
import { fits, parseRpcForm, type RpcForm } from "./rpc-form.js";

/** A request of one message, however it came: a GET is read as the POST that it stands for. */
export interface ConnectRequest {
  readonly form: RpcForm;
  /** Source of its body. */
  readonly source: Readable;
  /** Replace those that it came with. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The HTTP methods that a method of RPC is called by, as `Allow` lists them. */
export function allowedMethods(method: RpcMethod): readonly string[] {
  return takesGet(method) ? ["GET", "POST"] : ["POST"];
}

/**
 * Finds out how a request speaks.
 * @returns undefined for a media type that the method does not take
 * @throws CarillonError invalid_argument: a query that holds no request
 */
export function openConnectRequest(request: IncomingMessage, method: RpcMethod): ConnectRequest | undefined {
  if (request.method === "GET") return fromQuery(request.url ?? "");
  const form = parseRpcForm(request.headers["content-type"]);
  if (form === undefined || !fits(form, method)) return undefined;
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
