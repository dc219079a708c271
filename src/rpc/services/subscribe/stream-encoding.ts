import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { JoinedReplay } from "../../../commands/command.js";
import type { Message } from "../../../core/message.js";
import type { Encoding } from "../../../core/ports.js";

/**
 * Frames of carillon.v1.SubscribeStreamResponse. Each is the encoding of one field, so that any number of frames in sequence
 * is one response: Protobuf joins repeated fields. All streams of all backends share the bytes of a message.
 */

/** Fields of SubscribeStreamResponse. */
export const FIELD = { subscribed: 1, messages: 2, dropped: 3 } as const;

/** Encodes the messages of a topic for the streams of backends. */
export const streamEncoding: Encoding = {
  topicText: (topic) => topic,
  frame: encodeMessage,
  laggedFrame: (topic, missed) => {
    const writer = new BinaryWriter().tag(FIELD.dropped, WireType.LengthDelimited).fork();
    writeText(writer, 1, topic);
    return finish(writer.tag(2, WireType.Varint).uint64(missed).join());
  },
  presenceFrame: () => undefined,
};

/** Encodes the first answer of a stream. */
export function encodeSubscribed(replays: ReadonlyMap<string, JoinedReplay>): Buffer {
  const writer = new BinaryWriter().tag(FIELD.subscribed, WireType.LengthDelimited).fork();
  for (const [topic, { position }] of replays) {
    if (position !== undefined) writeEntry(writer, 1, topic, (entry) => writeText(entry, 2, position));
  }
  for (const [topic, { failure, requested }] of replays) {
    if (!requested) continue;
    writeEntry(writer, 2, topic, (entry) => entry.tag(2, WireType.Varint).bool(failure === undefined));
  }
  for (const [topic, { failure }] of replays) {
    if (failure !== undefined) writeEntry(writer, 3, topic, (entry) => writeText(entry, 2, failure));
  }
  return finish(writer.join());
}

function encodeMessage({ event, id, payload, position, time }: Message, topic: string): Buffer {
  const writer = new BinaryWriter().tag(FIELD.messages, WireType.LengthDelimited).fork();
  writeText(writer, 1, topic);
  if (payload.length > 0) writer.tag(2, WireType.LengthDelimited).bytes(payload);
  writeText(writer, 3, id);
  if (event !== "") writeText(writer, 4, event);
  writeTime(writer, 5, time);
  if (position !== undefined) writeText(writer, 6, position);
  return finish(writer.join());
}

/** Writes a google.protobuf.Timestamp. */
function writeTime(writer: BinaryWriter, field: number, milliseconds: number): void {
  const seconds = Math.floor(milliseconds / 1_000);
  const nanos = (milliseconds - seconds * 1_000) * 1_000_000;
  writer.tag(field, WireType.LengthDelimited).fork();
  if (seconds !== 0) writer.tag(1, WireType.Varint).int64(seconds);
  if (nanos !== 0) writer.tag(2, WireType.Varint).int32(nanos);
  writer.join();
}

/** Writes an entry of a map whose keys are topics. */
function writeEntry(
  writer: BinaryWriter,
  field: number,
  topic: string,
  writeValue: (entry: BinaryWriter) => void,
): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  writeText(writer, 1, topic);
  writeValue(writer);
  writer.join();
}

function writeText(writer: BinaryWriter, field: number, text: string): void {
  writer.tag(field, WireType.LengthDelimited).string(text);
}

/** Returns the bytes as a Buffer, without copying: the gRPC mount sends Buffers as they are. */
function finish(writer: BinaryWriter): Buffer {
  const { buffer, byteLength, byteOffset } = writer.finish();
  return Buffer.from(buffer, byteOffset, byteLength);
}
