import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { strictUtf8 } from "./strict-utf8.js";

/**
 * PublishRequest and BroadcastRequest of Centrifugo's API, as PHP publishers encode them. They differ only in
 * whether field 1 is repeated. Fields without a meaning here (skip_history, tags) are skipped.
 */
export interface CentrifugeRequest {
  readonly channels: readonly string[];
  readonly data: Uint8Array;
  /** Data in base64; "" for none. */
  readonly b64data: string;
  readonly idempotencyKey: string;
}

/** Maximum number of channels of a request, because all are decoded and published in one turn of the event loop (rule O12). */
const MAX_CHANNELS = 65_536;

/** @throws Error if the bytes are not such a request, or have too many channels */
export function decodeCentrifugeRequest(bytes: Uint8Array): CentrifugeRequest {
  const reader = new BinaryReader(bytes, strictUtf8);
  const channels: string[] = [];
  const request = { channels, data: new Uint8Array(0), b64data: "", idempotencyKey: "" };
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited) reader.skip(wireType, field);
    else if (field === 1) {
      if (channels.length === MAX_CHANNELS) throw new Error(`too many channels: the limit is ${MAX_CHANNELS}`);
      channels.push(reader.string());
    } else if (field === 2) request.data = reader.bytes() as Uint8Array<ArrayBuffer>;
    else if (field === 3) request.b64data = reader.string();
    else if (field === 6) request.idempotencyKey = reader.string();
    else reader.skip(wireType, field);
  }
  return request;
}

/** Encodes a PublishResponse with a result and no error. */
export function encodePublishResult(): Uint8Array {
  return new BinaryWriter().tag(2, WireType.LengthDelimited).fork().join().finish();
}

/** Encodes a BroadcastResponse with a result for each channel. */
export function encodeBroadcastResult(channels: number): Uint8Array {
  const writer = new BinaryWriter().tag(2, WireType.LengthDelimited).fork();
  for (let channel = 0; channel < channels; channel += 1) {
    writer.tag(1, WireType.LengthDelimited).fork().tag(2, WireType.LengthDelimited).fork().join().join();
  }
  return writer.join().finish();
}
