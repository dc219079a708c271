import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { RequestSchema, Stage } from "../../../../gen/websockets/v1/websockets_pb.js";
import { checkWeight } from "../../decode.js";
import { findMessageExcess } from "../../request-weight.js";
import type { Codec, PlainCodec } from "../../service.js";
import { readCommonMessages } from "./common-messages.js";
import type { PublishMessage, PublishRequest } from "./publish-request.js";
import { strictUtf8 } from "./strict-utf8.js";

/** Response as the implementation returns it. */
export interface PublishResponse {
  readonly ok: boolean;
  readonly receipts: readonly PublishReceipt[];
}

/** Receipt as the implementation returns it. */
export interface PublishReceipt {
  readonly id: string;
  readonly stage: Stage;
  /** Position of a message with one stored topic; undefined for none. */
  readonly position?: string | undefined;
  readonly duplicate?: boolean | undefined;
  /** Results of a message with several stored topics. Undefined for none. */
  readonly topics?: readonly TopicReceipt[] | undefined;
}

/** Result of storing a message on one topic. */
export interface TopicReceipt {
  readonly topic: string;
  readonly position: string;
  readonly duplicate: boolean;
}

/**
 * Encodes and decodes Request and Response of websockets.v1 by hand, for the gRPC mount. The generated code uses reflection,
 * which accounts for most of the cost of a small publish (bench/NOTES.md). The rules are Protobuf's: fields in any order, the
 * last one wins, unknown ones are skipped. A test compares it with the generated code.
 */
export const broadcastCodec: Codec = {
  decode: (bytes) => {
    checkWeight(findMessageExcess(RequestSchema, bytes));
    return readRequest(bytes, skipField);
  },
  encode: (message) => writeResponse(message as PublishResponse),
};

/** The same for Connect. The generated code, which also serves Connect, reads a field of a wrong type differently. */
export const plainProto: PlainCodec = {
  decode(body) {
    if (findMessageExcess(RequestSchema, body) !== undefined) return undefined;
    try {
      return readRequest(body, refuseField);
    } catch {
      return undefined;
    }
  },
  encode: (answer) => writeResponse(answer as PublishResponse),
};

/** Handles an unknown field, or one of a wrong wire type. */
type OtherField = (reader: BinaryReader, wireType: WireType, field: number) => void;

function skipField(reader: BinaryReader, wireType: WireType, field: number): void {
  reader.skip(wireType, field);
}

function refuseField(): never {
  throw new Error("not plain");
}

function readRequest(bytes: Uint8Array, readOther: OtherField): PublishRequest {
  const messages: PublishMessage[] = [];
  const end = readCommonMessages(bytes, messages);
  if (end === bytes.length) return { messages };
  const reader = new BinaryReader(bytes, strictUtf8);
  reader.pos = end;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.LengthDelimited) messages.push(readMessage(reader, readOther));
    else readOther(reader, wireType, field);
  }
  return { messages };
}

function readMessage(reader: BinaryReader, readOther: OtherField): PublishMessage {
  const message = { command: "", topics: [] as string[], payload: NOTHING, broker: "", event: "", id: "", text: "" };
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new RangeError("premature EOF");
  while (reader.pos < end) {
    const [field, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited || !readField(reader, message, field)) readOther(reader, wireType, field);
  }
  if (reader.pos !== end) throw new RangeError("a field is longer than its message");
  return message;
}

/** @returns false for an unknown field */
function readField(
  reader: BinaryReader,
  message: Mutable<PublishMessage> & { topics: string[] },
  field: number,
): boolean {
  switch (field) {
    case 1:
      message.command = reader.string();
      return true;
    case 2:
      message.topics.push(reader.string());
      return true;
    case 3:
      message.payload = reader.bytes();
      return true;
    case 10:
      message.event = reader.string();
      return true;
    case 11:
      message.id = reader.string();
      return true;
    case 12:
      message.broker = reader.string();
      return true;
    case 13:
      message.text = reader.string();
      return true;
    default:
      return false;
  }
}

const OK_TAG = 0x08;
/** Field 10, length-delimited. */
const RECEIPT_TAG = 0x52;
const ID_TAG = 0x0a;
const STAGE_TAG = 0x10;
/** Bytes of a receipt besides the id, for ids below 128 bytes: two each for the id's and the stage's field. */
const SMALL_RECEIPT = 4;

/**
 * Encodes a response into one buffer of known size. This works for short ids of ASCII characters, where each length fits into
 * one byte, and for messages that are not stored.
 */
function writeResponse(response: PublishResponse): Uint8Array {
  const { ok, receipts } = response;
  let size = ok ? 2 : 0;
  for (const { duplicate, id, position, stage, topics } of receipts) {
    if (position !== undefined || duplicate === true || topics !== undefined) return writeLongResponse(response);
    const isShort = id.length > 0 && id.length + SMALL_RECEIPT < 128;
    if (!isShort || stage === Stage.UNSPECIFIED) return writeLongResponse(response);
    size += 2 + SMALL_RECEIPT + id.length;
  }
  const bytes = Buffer.allocUnsafe(size);
  let offset = 0;
  if (ok) {
    bytes[offset++] = OK_TAG;
    bytes[offset++] = 1;
  }
  for (const { id, stage } of receipts) {
    bytes[offset++] = RECEIPT_TAG;
    bytes[offset++] = SMALL_RECEIPT + id.length;
    bytes[offset++] = ID_TAG;
    bytes[offset++] = id.length;
    for (let at = 0; at < id.length; at += 1) {
      const code = id.charCodeAt(at);
      if (code > 127) return writeLongResponse(response);
      bytes[offset++] = code;
    }
    bytes[offset++] = STAGE_TAG;
    bytes[offset++] = stage;
  }
  return bytes;
}

function writeLongResponse({ ok, receipts }: PublishResponse): Uint8Array {
  const writer = new BinaryWriter();
  if (ok) writer.tag(1, WireType.Varint).bool(true);
  for (const { duplicate, id, position, stage, topics = [] } of receipts) {
    writer.tag(10, WireType.LengthDelimited).fork();
    if (id !== "") writer.tag(1, WireType.LengthDelimited).string(id);
    if (stage !== Stage.UNSPECIFIED) writer.tag(2, WireType.Varint).int32(stage);
    writeStored(writer, 3, { position, duplicate });
    for (const { topic, ...stored } of topics) {
      writer.tag(5, WireType.LengthDelimited).fork();
      if (topic !== "") writer.tag(1, WireType.LengthDelimited).string(topic);
      writeStored(writer, 2, stored);
      writer.join();
    }
    writer.join();
  }
  return writer.finish();
}

/** Writes a position, and in the next field whether it is that of a duplicate. */
function writeStored(
  writer: BinaryWriter,
  field: number,
  { duplicate, position = "" }: Pick<PublishReceipt, "duplicate" | "position">,
): void {
  if (position !== "") writer.tag(field, WireType.LengthDelimited).string(position);
  if (duplicate === true) writer.tag(field + 1, WireType.Varint).bool(true);
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

const NOTHING = new Uint8Array(0);
