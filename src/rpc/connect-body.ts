import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { brotliDecompress, gunzip } from "node:zlib";
import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { CarillonError } from "../errors.js";
import { decode } from "./decode.js";
import type { ExtendedJson, ExtendJson } from "./services.js";

/** How requests may be compressed: what connect-node takes, too. */
const INFLATERS = new Map([
  ["gzip", promisify(gunzip)],
  ["br", promisify(brotliDecompress)],
]);

/** gRPC-Web, and Connect where an answer is a stream, put a byte of flags and the length before each message. */
const ENVELOPE_BYTES = 5;
const COMPRESSED = 1;

interface BodyOptions {
  /** The message's type. */
  readonly type: DescMessage;
  /** Most bytes of the message, as sent and as inflated. */
  readonly limit: number;
  readonly extendJson: ExtendJson | undefined;
}

interface CheckedBody {
  readonly body: readonly Uint8Array[];
  /** Undefined where the body holds nothing beyond the message's fields. */
  readonly extended: ExtendedJson | undefined;
}

/**
 * The body of a request that is one message, known to hold a message of this type. connect-es would tell bytes that are none as
 * INTERNAL, put U+FFFD in the place of what is not UTF-8 in JSON (rule E10), and destroy a request that is too large, so
 * that the caller sees a broken connection in place of the status (rule E8). It is inflated here, and `header` then no
 * longer says that it is compressed. Decoding it twice costs microseconds of the hundred and more that Connect takes.
 *
 * @throws ConnectError resource_exhausted, invalid_argument, canceled
 */
export async function checkedBody(
  request: IncomingMessage,
  header: Headers,
  { extendJson, limit, type }: BodyOptions,
): Promise<CheckedBody> {
  const contentType = header.get("content-type") ?? "";
  const { encodingHeader, enveloped } = formOf(contentType);
  const encoding = header.get(encodingHeader) ?? "identity";
  const body = await readAll(request, enveloped ? limit + ENVELOPE_BYTES : limit);
  const { compressed, data } = enveloped ? opened(body, limit) : { compressed: encoding !== "identity", data: body };

  const inflater = INFLATERS.get(encoding);
  // One that nobody knows is Connect's to refuse.
  if (compressed && inflater === undefined) return { body: [body], extended: undefined };
  const sent = compressed && inflater !== undefined ? await inflate(inflater, data, limit) : data;
  const json = contentType.includes("json");
  check(sent, json, type);
  const extended = json ? extendJson?.(Buffer.from(sent).toString()) : undefined;
  const message = extended === undefined ? sent : Buffer.from(extended.body);
  header.delete("content-length");
  header.delete(encodingHeader);
  return { body: enveloped ? [envelopeOf(message), message] : [message], extended };
}

function formOf(contentType: string): { readonly enveloped: boolean; readonly encodingHeader: string } {
  if (contentType.startsWith("application/grpc-web")) return { enveloped: true, encodingHeader: "grpc-encoding" };
  if (contentType.startsWith("application/connect+")) {
    return { enveloped: true, encodingHeader: "connect-content-encoding" };
  }
  return { enveloped: false, encodingHeader: "content-encoding" };
}

/** What is beyond the limit is taken and thrown away, so that the caller comes to read the answer. */
function readAll(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= limit) chunks.push(chunk);
      else {
        chunks = [];
        reject(tooLarge(limit));
      }
    });
    request.once("end", () => {
      const [first] = chunks;
      resolve(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks));
    });
    request.once("close", () => {
      reject(new ConnectError("the request was cut off", Code.Canceled));
    });
  });
}

function opened(body: Buffer, limit: number): { compressed: boolean; data: Buffer } {
  if (body.length < ENVELOPE_BYTES) throw malformed("it is cut off");
  const length = body.readUInt32BE(1);
  if (length > limit) throw tooLarge(limit);
  if (body.length < ENVELOPE_BYTES + length) throw malformed("it is cut off");
  if (body.length > ENVELOPE_BYTES + length) throw malformed("it is more than one message");
  return { compressed: (body.readUInt8(0) & COMPRESSED) !== 0, data: body.subarray(ENVELOPE_BYTES) };
}

function envelopeOf(message: Uint8Array): Uint8Array {
  const envelope = Buffer.alloc(ENVELOPE_BYTES);
  envelope.writeUInt32BE(message.length, 1);
  return envelope;
}

/** Inflating stops at the limit: what a small request blows up to never exists. */
async function inflate(
  inflater: (data: Uint8Array, options: { readonly maxOutputLength: number }) => Promise<Buffer>,
  data: Uint8Array,
  limit: number,
): Promise<Uint8Array> {
  // An empty message may stand for itself.
  if (data.length === 0) return data;
  try {
    return await inflater(data, { maxOutputLength: limit });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(limit);
    throw malformed("it cannot be decompressed");
  }
}

function check(message: Uint8Array, json: boolean, type: DescMessage): void {
  if (json) {
    if (!isUtf8(message)) throw malformed("it is not UTF-8");
    return;
  }
  try {
    decode(type, message);
  } catch (cause) {
    throw new ConnectError(CarillonError.from(cause).message, Code.InvalidArgument);
  }
}

function tooLarge(limit: number): ConnectError {
  return new ConnectError(`the request is larger than ${limit} bytes`, Code.ResourceExhausted);
}

function malformed(reason: string): ConnectError {
  return new ConnectError(`the request cannot be decoded: ${reason}`, Code.InvalidArgument);
}
