import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { malformedRequest } from "../call-errors.js";

/**
 * gRPC-Web in base64, the default of Google's client, because XMLHttpRequest only streams text. Source: gRPC-Web
 * protocol, "Protocol differences".
 */

const BASE64 = /^[\w+/-]*={0,2}$/;

/** @throws CarillonError invalid_argument */
export function decodeBase64(body: Buffer): Buffer {
  const text = body.toString("latin1");
  if (BASE64.test(text)) return Buffer.from(text, "base64");
  throw malformedRequest("not base64");
}

/** Returns the length of `bytes` bytes in base64, with padding. */
export function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

/** Encodes an answer in base64. Each part is encoded separately, so that none waits for the next. */
export function encodeAnswerAsBase64(answer: UniversalServerResponse): UniversalServerResponse {
  const { body, header } = answer;
  const contentType = header?.get("content-type");
  if (contentType !== undefined && contentType !== null) {
    header?.set("content-type", contentType.replace("grpc-web+", "grpc-web-text+"));
  }
  return body === undefined || !(Symbol.asyncIterator in body) ? answer : { ...answer, body: encodeBody(body) };
}

/**
 * Encodes each part. An async generator would be unsuitable, because it delays `return` after a disconnect until the next
 * part arrives.
 */
function encodeBody(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      const parts = body[Symbol.asyncIterator]();
      return {
        next: async () => encode(await parts.next()),
        throw: async (cause: unknown) => encode((await parts.throw?.(cause)) ?? { done: true, value: undefined }),
        return: async () => encode((await parts.return?.()) ?? { done: true, value: undefined }),
      };
    },
  };
}

function encode(part: IteratorResult<Uint8Array>): IteratorResult<Uint8Array> {
  return part.done === true ? part : { done: false, value: Buffer.from(Buffer.from(part.value).toString("base64")) };
}
