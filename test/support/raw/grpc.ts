import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from "node:http2";
import { cleanUp } from "../clean-up.js";

export interface RawStatus {
  readonly status: number;
  readonly message: string;
  /** Trailers of the answer, or its headers when it has no trailers. */
  readonly headers: IncomingHttpHeaders;
}

/** A call whose request is sent in pieces. */
export interface RawCall {
  readonly stream: ClientHttp2Stream;
  /** Resolves with the outcome of the call. */
  readonly ended: Promise<RawStatus>;
}

/** Opens an HTTP/2 connection to the gRPC port, and closes it after the test. */
export async function connectGrpc(address: string): Promise<ClientHttp2Session> {
  // In MiB. Pending output counts, and incoming headers are refused beyond the limit.
  const session = connect(`http://${address}`, { maxSessionMemory: 1_000 });
  session.on("error", () => {
    // The calls report errors.
  });
  cleanUp(() => session.destroy());
  await once(session, "connect");
  return session;
}

/** Opens a call without sending any of its request. */
export function openCall(
  session: ClientHttp2Session,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): RawCall {
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  let last: IncomingHttpHeaders = {};
  const ended = new Promise<RawStatus>((resolve) => {
    stream.on("response", (answer) => {
      last = { ...last, ...answer };
    });
    stream.on("trailers", (trailers) => {
      last = { ...last, ...trailers };
    });
    stream.on("error", () => {
      // The close event follows an error.
    });
    const settle = (): void => {
      const { "grpc-message": message = "", "grpc-status": status = "-1" } = last;
      resolve({ status: Number(status), message: decodeURIComponent(String(message)), headers: last });
    };
    // The answer may end before the request.
    stream.once("end", settle).once("close", settle);
  });
  stream.resume();
  return { stream, ended };
}

/** Makes a call with these bytes as its complete request. */
export function rawCall(
  session: ClientHttp2Session,
  path: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<RawStatus> {
  const { ended, stream } = openCall(session, path, headers);
  stream.end(body);
  return ended;
}

/** Encodes a length-prefixed message: flags, length, bytes. */
export function framed(message: Uint8Array, flags = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags, 0);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}
