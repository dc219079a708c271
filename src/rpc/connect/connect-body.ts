import { isUtf8 } from "node:buffer";
import type { DescMessage } from "@bufbuild/protobuf";
import type { ByteLease } from "../../net/byte-budget.js";
import { findJsonExcess } from "../../util/json-size.js";
import { nextTurn } from "../../util/next-turn.js";
import { malformedRequest, requestTooLarge } from "../call-errors.js";
import { decodeJson, decodeMessage } from "../decode.js";
import { type InflateBounds, type InflatedEncoding, inflate } from "../inflate.js";
import type { JsonExtension } from "../service.js";
import { base64Length, decodeBase64 } from "./grpc-web-text.js";
import type { RpcForm } from "./rpc-form.js";

/** Bytes before each message in gRPC-Web and in Connect streams: a byte of flags and the message's length. */
const ENVELOPE_BYTES = 5;
const COMPRESSED = 1;

/** Compressions that are inflated here. Connect itself refuses requests with any other compression. */
const ENCODINGS: ReadonlySet<string> = new Set(["br", "gzip"]);

/** Request body, as passed to Connect. */
export interface ConnectBody {
  readonly chunks: readonly Uint8Array[];
  /** Replaces the message that Connect has decoded by the real request. */
  readonly complete: (decoded: object) => object;
}

export interface ConnectBodyOptions {
  readonly form: RpcForm;
  readonly type: DescMessage;
  /** Maximum number of bytes of the message, as sent and as inflated. */
  readonly limit: number;
  readonly jsonExtension: JsonExtension | undefined;
  /** Counts the received and inflated bytes. */
  readonly lease: ByteLease;
}

/** Returns the maximum number of bytes of a request as sent. @param limit - maximum number of bytes of its message */
export function sentLimit({ enveloped, text }: RpcForm, limit: number): number {
  const bytes = enveloped ? limit + ENVELOPE_BYTES : limit;
  return text ? base64Length(bytes) : bytes;
}

/**
 * Opens the body of a request that consists of one message. connect-es would report bytes that it cannot decode as INTERNAL,
 * replace invalid UTF-8 in JSON by U+FFFD (rule E10), and destroy a request that is too large, so that the caller
 * sees a broken connection instead of the status (rule E8). The body is therefore inflated here, and `header` no longer says
 * that it is compressed. The message is also decoded here, once: Connect receives an empty one.
 *
 * @param received - at most {@link sentLimit} bytes
 * @throws CarillonError resource_exhausted, invalid_argument
 */
export async function openConnectBody(
  received: Buffer,
  header: Headers,
  { form, jsonExtension, lease, limit, type }: ConnectBodyOptions,
): Promise<ConnectBody> {
  const { enveloped, json } = form;
  const encodingHeader = findEncodingHeader(form);
  const encoding = header.get(encodingHeader) ?? "identity";
  const body = form.text ? decodeBase64(received) : received;
  const { compressed, data } = enveloped
    ? openEnvelope(body, limit)
    : { compressed: encoding !== "identity", data: body };

  if (compressed && !isSupported(encoding)) return { chunks: [body], complete: keepDecoded };
  const sent = compressed && isSupported(encoding) ? await inflateMessage(encoding, data, { lease, limit }) : data;
  header.delete("content-length");
  header.delete(encodingHeader);
  const { bytes, complete } = json ? await openJson(sent, type, jsonExtension) : openBinary(sent, type);
  return { chunks: enveloped ? [createEnvelope(bytes), bytes] : [bytes], complete };
}

function isSupported(encoding: string): encoding is "br" | "gzip" {
  return ENCODINGS.has(encoding);
}

interface OpenedMessage extends Pick<ConnectBody, "complete"> {
  readonly bytes: Uint8Array;
}

async function openJson(
  sent: Uint8Array,
  type: DescMessage,
  extension: JsonExtension | undefined,
): Promise<OpenedMessage> {
  if (!isUtf8(sent)) throw malformedRequest("not UTF-8");
  const text = Buffer.from(sent).toString();
  const excess = findJsonExcess(text);
  if (excess !== undefined) throw malformedRequest(excess);
  await nextTurn(text);
  const extended = await extension?.extract(text);
  await nextTurn(text);
  const message = decodeJson(type, extended?.body ?? text, (reason) => extension?.explain(reason) ?? reason);
  // The method runs in another turn of the event loop.
  await nextTurn(text);
  return { bytes: NO_MEMBERS, complete: () => extended?.complete(message) ?? message };
}

function openBinary(sent: Uint8Array, type: DescMessage): OpenedMessage {
  const message = decodeMessage(type, sent);
  return { bytes: NO_FIELDS, complete: () => message };
}

/** Message without fields, in protobuf and in JSON. */
const NO_FIELDS = new Uint8Array();
const NO_MEMBERS = Buffer.from("{}");

function keepDecoded(decoded: object): object {
  return decoded;
}

function findEncodingHeader({ enveloped, protocol }: RpcForm): string {
  if (protocol === "grpc-web") return "grpc-encoding";
  return enveloped ? "connect-content-encoding" : "content-encoding";
}

function openEnvelope(body: Buffer, limit: number): { compressed: boolean; data: Buffer } {
  if (body.length < ENVELOPE_BYTES) throw malformedRequest("truncated");
  const length = body.readUInt32BE(1);
  if (length > limit) throw requestTooLarge(limit);
  if (body.length < ENVELOPE_BYTES + length) throw malformedRequest("truncated");
  if (body.length > ENVELOPE_BYTES + length) throw malformedRequest("more than one message");
  return { compressed: (body.readUInt8(0) & COMPRESSED) !== 0, data: body.subarray(ENVELOPE_BYTES) };
}

function createEnvelope(message: Uint8Array): Uint8Array {
  const envelope = Buffer.alloc(ENVELOPE_BYTES);
  envelope.writeUInt32BE(message.length, 1);
  return envelope;
}

async function inflateMessage(
  encoding: InflatedEncoding,
  data: Uint8Array,
  bounds: InflateBounds,
): Promise<Uint8Array> {
  // An empty message need not be compressed.
  if (data.length === 0) return data;
  const message = await inflate(encoding, data, bounds);
  if (message === "too large") throw requestTooLarge(bounds.limit);
  if (message === "malformed") throw malformedRequest("decompression failed");
  return message;
}
