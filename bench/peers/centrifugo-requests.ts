import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Entry } from "../support/contender.js";

/** Numbers of fields in Centrifugo's api.proto. */
const CHANNEL = 1;
const DATA = 2;
const COMMANDS = 1;
const COMMAND_PUBLISH = 4;
const REPLIES = 1;
const REPLY_ERROR = 2;
const RESPONSE_ERROR = 1;

const utf8 = new TextEncoder();

/** Returns a payload as JSON, the only form that clients with JSON receive. */
function toJson(payload: string): Uint8Array {
  return utf8.encode(JSON.stringify(payload));
}

function writePublish(writer: BinaryWriter, [channel, payload]: Entry): BinaryWriter {
  return writer
    .tag(CHANNEL, WireType.LengthDelimited)
    .string(channel)
    .tag(DATA, WireType.LengthDelimited)
    .bytes(toJson(payload));
}

/** Encodes one message as a PublishRequest. */
export function encodePublish([entry]: readonly Entry[]): Buffer {
  return Buffer.from(writePublish(new BinaryWriter(), entry ?? ["", ""]).finish());
}

/** Encodes messages as a BatchRequest, whose commands run one after the other. */
export function encodeBatch(entries: readonly Entry[]): Buffer {
  const writer = new BinaryWriter();
  for (const entry of entries) {
    writer.tag(COMMANDS, WireType.LengthDelimited).fork();
    writer.tag(COMMAND_PUBLISH, WireType.LengthDelimited).fork();
    writePublish(writer, entry).join().join();
  }
  return Buffer.from(writer.finish());
}

/** Returns whether a message has a field. */
function hasField(message: Uint8Array, wanted: number): boolean {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted) return true;
    reader.skip(type, field);
  }
  return false;
}

/** Returns the number of messages that a PublishResponse confirms. */
export function countPublished(answer: Buffer): number {
  return hasField(answer, RESPONSE_ERROR) ? 0 : 1;
}

/** Checks that a BatchResponse confirms all commands. @throws Error when it does not */
export function checkBatch(answer: Buffer, commands: number): void {
  const reader = new BinaryReader(answer);
  let published = 0;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field !== REPLIES) reader.skip(type, field);
    else if (!hasField(reader.bytes(), REPLY_ERROR)) published += 1;
  }
  if (published !== commands) throw new Error(`Centrifugo published ${published} of ${commands} messages`);
}

/** Encodes one message as the JSON of /api/publish. */
export function encodePublishJson([entry]: readonly Entry[]): Buffer {
  const [channel, data] = entry ?? ["", ""];
  return Buffer.from(JSON.stringify({ channel, data }));
}

/** Encodes messages as the JSON of /api/batch. */
export function encodeBatchJson(entries: readonly Entry[]): Buffer {
  return Buffer.from(JSON.stringify({ commands: entries.map(([channel, data]) => ({ publish: { channel, data } })) }));
}

/** Returns the number of messages that an answer in JSON confirms. */
export function countPublishedJson(answer: Buffer): number {
  const { error, replies } = JSON.parse(answer.toString()) as {
    readonly error?: unknown;
    readonly replies?: readonly { readonly error?: unknown }[];
  };
  if (replies !== undefined) return replies.filter((reply) => reply.error === undefined).length;
  return error === undefined ? 1 : 0;
}
