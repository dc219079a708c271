import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { RequestSchema, ResponseSchema } from "../../gen/websockets/v1/websockets_pb.js";
import { broadcastCodec, type PublishRequest } from "../../src/rpc/services/publish/broadcast-codec.js";

const anyText = fc.string({ unit: "grapheme", maxLength: 30 });

const requests: fc.Arbitrary<MessageInitShape<typeof RequestSchema>> = fc.record({
  messages: fc.array(
    fc.record({
      command: anyText,
      topics: fc.array(anyText),
      payload: fc.uint8Array({ maxLength: 200 }),
      broker: anyText,
      event: anyText,
      id: anyText,
      text: anyText,
    }),
    { maxLength: 5 },
  ),
});

function plain({ messages }: PublishRequest): unknown {
  return messages.map(({ broker, command, event, id, payload, text, topics }) => {
    return { broker, command, event, id, text, topics, payload: Buffer.from(payload).toString("hex") };
  });
}

test("R1: decodes requests like the generated code", () => {
  fc.assert(
    fc.property(requests, (request) => {
      const bytes = toBinary(RequestSchema, create(RequestSchema, request));
      const read = broadcastCodec.decode(bytes) as PublishRequest;
      expect(plain(read)).toEqual(plain(fromBinary(RequestSchema, bytes)));
    }),
    { numRuns: 500 },
  );
});

test("R1, R18: encodes answers like the generated code", () => {
  const id = fc.oneof({ weight: 20, arbitrary: anyText }, fc.string({ maxLength: 300 }));
  const stored = { position: fc.string({ maxLength: 64 }), duplicate: fc.boolean() };
  const topics = fc.array(fc.record({ topic: fc.string({ maxLength: 255 }), ...stored }), { maxLength: 3 });
  const receipts = fc.array(
    fc.record({ id, stage: fc.integer({ min: 0, max: 3 }), ...stored, topics }, { requiredKeys: ["id", "stage"] }),
  );
  fc.assert(
    fc.property(fc.boolean(), receipts, (ok, all) => {
      const bytes = broadcastCodec.encode({ ok, receipts: all });
      expect(Buffer.from(bytes)).toEqual(
        Buffer.from(toBinary(ResponseSchema, create(ResponseSchema, { ok, receipts: all }))),
      );
    }),
    { numRuns: 500 },
  );
});

test("R10: decodes fields in any order, repeated, unknown, or of another wire type", () => {
  const message = new BinaryWriter();
  message.tag(11, WireType.LengthDelimited).string("first");
  message.tag(99, WireType.Bit64).fixed64(1n);
  message.tag(11, WireType.LengthDelimited).string("last");
  message.tag(1, WireType.Varint).uint32(7);
  message.tag(98, WireType.LengthDelimited).bytes(new Uint8Array(300));
  message.tag(2, WireType.LengthDelimited).string("topic");
  const request = new BinaryWriter();
  request.tag(2, WireType.Varint).uint32(7);
  request.tag(1, WireType.LengthDelimited).bytes(message.finish());
  request.tag(97, WireType.StartGroup).tag(1, WireType.Varint).uint32(7).tag(97, WireType.EndGroup);
  expect(plain(broadcastCodec.decode(request.finish()) as PublishRequest)).toEqual([
    { broker: "", command: "", event: "", id: "last", text: "", topics: ["topic"], payload: "" },
  ]);
});

test("E10: rejects malformed and truncated requests", () => {
  const whole = toBinary(
    RequestSchema,
    create(RequestSchema, { messages: [{ topics: ["a", "b"], payload: Buffer.from("payload"), id: "id" }] }),
  );
  for (let length = 1; length < whole.length; length += 1) {
    expect(() => broadcastCodec.decode(whole.subarray(0, length))).toThrow(
      /premature EOF|longer than its message|invalid|illegal/,
    );
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      fc.pre(!hasOtherWireType(bytes, RequestSchema));
      const [ours, generated] = [
        (all: Uint8Array) => broadcastCodec.decode(all),
        (all: Uint8Array) => fromBinary(RequestSchema, all),
      ].map((read) => {
        try {
          return plain(read(bytes) as PublishRequest);
        } catch {
          return "refused";
        }
      });
      // Requests accepted by the generated code are decoded alike. Requests that it rejects may have fields that are skipped here.
      expect(generated === "refused" ? "refused" : ours).toEqual(generated);
    }),
    { numRuns: 2_000 },
  );
  expect(() => broadcastCodec.decode(Buffer.from("0a031201ff", "hex"))).toThrow("UTF-8");
});

/**
 * Whether a field has another wire type than its definition, all of which are length-delimited here. Rule R10 skips such a
 * field; the generated code reads it as if it had the right wire type.
 */
function hasOtherWireType(bytes: Uint8Array, schema: DescMessage): boolean {
  const reader = new BinaryReader(bytes);
  try {
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      const field = schema.fields.find((candidate) => candidate.number === number);
      if (field !== undefined && wireType !== WireType.LengthDelimited) return true;
      if (field?.message === undefined) reader.skip(wireType, number);
      else if (hasOtherWireType(reader.bytes(), field.message)) return true;
    }
  } catch {
    return false;
  }
  return false;
}
