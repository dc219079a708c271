import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { CarillonError } from "../../errors.js";

/**
 * gRPC-Web in base64, as Google's client speaks it by default: XMLHttpRequest gives pages streams as text only. Source: gRPC-Web
 * protocol, "Protocol differences".
 */

const BASE64 = /^[\w+/-]*={0,2}$/;

/** @throws CarillonError invalid_argument */
export function decodeBase64(body: Buffer): Buffer {
  const text = body.toString("latin1");
  if (BASE64.test(text)) return Buffer.from(text, "base64");
  throw new CarillonError("invalid_argument", "the request cannot be decoded: it is not base64");
}

/** Length of a number of bytes in base64, with padding. */
export function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

/** The same answer in base64: each part on its own, so that none waits for the next. */
export function asBase64(answer: UniversalServerResponse): UniversalServerResponse {
  const { body, header } = answer;
  const contentType = header?.get("content-type");
  if (contentType !== undefined && contentType !== null) {
    header?.set("content-type", contentType.replace("grpc-web+", "grpc-web-text+"));
  }
  return body === undefined || !(Symbol.asyncIterator in body) ? answer : { ...answer, body: base64Of(body) };
}

/** Written without a generator, which would queue the client's departure behind the next part. */
function base64Of(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
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
