import { MethodOptions_IdempotencyLevel as IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { CarillonError } from "../../errors.js";
import type { RpcMethod } from "../service.js";
import { decodeBase64 } from "./grpc-web-text.js";
import { parseRpcForm, type RpcForm } from "./rpc-form.js";

/** Request in the query of a GET. Source: Connect protocol, "Unary-Get-Request". */
export interface ConnectGet {
  readonly form: RpcForm;
  readonly message: Uint8Array;
  /** Content coding of the message; undefined if it is not compressed. */
  readonly compression: string | undefined;
}

/** Returns whether a method may be called by GET: it is unary, and its proto file marks it as having no side effects. */
export function acceptsGet({ desc }: RpcMethod): boolean {
  return desc.methodKind === "unary" && desc.idempotency === IdempotencyLevel.NO_SIDE_EFFECTS;
}

/**
 * Reads from the query what a POST carries in its headers and body.
 * @throws CarillonError invalid_argument
 */
export function readConnectGet(url: string): ConnectGet {
  const query = new Map<string, string>();
  for (const pair of url.slice(url.indexOf("?") + 1).split("&")) {
    const end = pair.indexOf("=");
    if (end !== -1) query.set(pair.slice(0, end), pair.slice(end + 1));
  }
  const text = query.get("message");
  const encoding = query.get("encoding") ?? "";
  const form = ["json", "proto"].includes(encoding) ? parseRpcForm(`application/${encoding}`) : undefined;
  if (text === undefined || form === undefined) {
    throw new CarillonError(
      "invalid_argument",
      "a GET needs the request in its query: message, and encoding=json or proto",
    );
  }
  const compression = query.get("compression");
  const message = query.get("base64") === "1" ? decodeBase64(decodePercent(text)) : decodePercent(text);
  return { form, message, compression };
}

/** Decodes to bytes instead of text, so that invalid UTF-8 is refused as in a body and never replaced (rule E10). */
function decodePercent(text: string): Buffer {
  const bytes = text
    .replaceAll("+", " ")
    .replaceAll(/%([0-9a-f]{2})/gi, (_match, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1");
}
