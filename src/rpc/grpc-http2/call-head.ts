import { VHOST_HEADER } from "../../access/keys/backend.js";
import { CarillonError } from "../../errors.js";
import type { HeaderField } from "../../http2/hpack/header-field.js";
import { type OnFault, toCallerError } from "../faults.js";
import { readEncoding } from "../grpc/message-encoding.js";
import type { InflatedEncoding } from "../inflate.js";
import { readGrpcTimeout } from "../timeout-headers.js";
import { encodeErrorHeaders, METHOD_NOT_ALLOWED, NOT_GRPC, UNSUPPORTED_MEDIA_TYPE } from "./answer-headers.js";
import type { ServedMethod } from "./served-method.js";

/** Headers of a call that may be admitted. It has no state, so that calls with equal headers share one. */
export interface AcceptedHead {
  readonly method: ServedMethod;
  /** Compression of the messages that are marked as compressed; undefined for none. */
  readonly encoding: InflatedEncoding | undefined;
  /** Milliseconds until the caller's deadline; undefined if it has none. */
  readonly timeout: number | undefined;
  readonly authorization: string | undefined;
  readonly vhost: string | undefined;
  /** Returns a header by its name in lower case; undefined if it is missing. */
  readonly header: (name: string) => string | undefined;
}

/** Headers of a request that is refused. */
export interface RefusedHead {
  readonly method: undefined;
  /** Encoded headers of the answer. */
  readonly answer: Buffer;
  /** Body of the answer, which waits for the end of a request of plain HTTP; undefined: the refused request is gRPC. */
  readonly body: Buffer | undefined;
}

export type CallHead = AcceptedHead | RefusedHead;

const NO_BODY = Buffer.alloc(0);

/** Headers of which the first value counts. Node treats them likewise. Values of other headers are joined. */
const SINGLE: ReadonlySet<string> = new Set([":method", ":path", "authorization", "content-type"]);

/** Reads the headers of requests. It is pure: equal headers give equal results. */
export class HeadReader {
  readonly #methods: ReadonlyMap<string, ServedMethod>;
  readonly #onFault: OnFault;

  /** @param methods - by path */
  constructor(methods: ReadonlyMap<string, ServedMethod>, onFault: OnFault) {
    this.#methods = methods;
    this.#onFault = onFault;
  }

  /** @param isTooLarge - whether the headers exceed the limits; `fields` are those up to the limit */
  readonly read = (fields: readonly HeaderField[], isTooLarge: boolean): CallHead => {
    try {
      if (isTooLarge) throw new CarillonError("resource_exhausted", "the headers are too large");
      return this.#read(joinValues(fields));
    } catch (cause) {
      return { method: undefined, answer: encodeErrorHeaders(toCallerError(cause, this.#onFault)), body: undefined };
    }
  };

  /** @throws CarillonError */
  #read(headers: ReadonlyMap<string, string>): CallHead {
    if (headers.get("content-type")?.startsWith("application/grpc") !== true)
      return refuse(UNSUPPORTED_MEDIA_TYPE, headers);
    if (headers.get(":method") !== "POST") return refuse(METHOD_NOT_ALLOWED, headers);
    const method = this.#methods.get(headers.get(":path") ?? "");
    if (method === undefined) throw new CarillonError("unimplemented", "unknown method");
    return {
      method,
      encoding: readEncoding(headers.get("grpc-encoding"), method.compression),
      timeout: readGrpcTimeout(headers.get("grpc-timeout")),
      authorization: headers.get("authorization"),
      vhost: headers.get(VHOST_HEADER),
      header: (name) => headers.get(name),
    };
  }
}

function joinValues(fields: readonly HeaderField[]): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const { name, value } of fields) {
    const before = headers.get(name);
    if (before === undefined) headers.set(name, value);
    else if (!SINGLE.has(name)) headers.set(name, `${before}, ${value}`);
  }
  return headers;
}

/** The answer to HEAD has no body (RFC 9110, section 9.3.2). */
function refuse(answer: Buffer, headers: ReadonlyMap<string, string>): RefusedHead {
  return { method: undefined, answer, body: headers.get(":method") === "HEAD" ? NO_BODY : NOT_GRPC };
}
