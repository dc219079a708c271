import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { RequestSchema, ResponseSchema } from "../../gen/websockets/v1/websockets_pb.js";
import { broadcastCodec } from "../../src/rpc/services/publish/broadcast-codec.js";
import type { PublishRequest } from "../../src/rpc/services/publish/publish-request.js";

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

/** An unknown field. After it, everything is read by the general reader, which reads any valid request. */
const UNKNOWN_FIELD = Buffer.from("7801", "hex");

function attempt(read: () => unknown): unknown {
  try {
    return plain(read() as PublishRequest);
  } catch (error) {
    return error instanceof Error ? error.message : error;
  }
}

function expectSameByBothReaders(bytes: Uint8Array): void {
  const general = attempt(() => broadcastCodec.decode(Buffer.concat([UNKNOWN_FIELD, bytes])));
  expect(attempt(() => broadcastCodec.decode(bytes))).toEqual(general);
}

// Lengths of the message below 128 and 16,384 bytes take one and two bytes; strings of up to 64 bytes are looked at.
test.each([60, 61, 62, 63, 64, 65, 122, 123, 124, 125, 126, 127, 128, 16_379, 16_380, 16_381, 16_383, 16_384, 70_000])(
  "R1: decodes a field of %i bytes like the generated code",
  (length) => {
    const text = "x".repeat(length);
    // The last character has two bytes.
    const long = `${"x".repeat(length - 2)}\u{e9}`;
    for (const message of [{ topics: [text] }, { topics: [long] }, { payload: Buffer.from(text) }, { id: text }]) {
      const messages = [message, { topics: ["next"] }];
      const bytes = toBinary(RequestSchema, create(RequestSchema, { messages }));
      expect(plain(broadcastCodec.decode(bytes) as PublishRequest)).toEqual(plain(fromBinary(RequestSchema, bytes)));
      expectSameByBothReaders(bytes);
    }
  },
);

test("R1, E10: decodes damaged requests alike, whether or not a reader for common messages reads them", () => {
  const byte = fc.constantFrom(0, 1, 0x0a, 0x12, 0x1a, 0x22, 0x52, 0x7f, 0x80, 0x81, 0xc3, 0xff);
  const damages = fc.array(fc.record({ at: fc.nat(), bytes: fc.array(byte, { maxLength: 3 }), removed: fc.nat(3) }), {
    maxLength: 3,
  });
  fc.assert(
    fc.property(requests, damages, (request, all) => {
      const bytes = [...toBinary(RequestSchema, create(RequestSchema, request))];
      for (const { at, bytes: inserted, removed } of all) bytes.splice(at % (bytes.length + 1), removed, ...inserted);
      expectSameByBothReaders(Buffer.from(bytes));
    }),
    { numRuns: 3_000 },
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

test.each(["x".repeat(123), "x".repeat(124), "ascii \u{e9}", "\u{e9}", ""])(
  "R1: encodes a receipt with the id %j between short ones like the generated code",
  (id) => {
    const receipts = ["first", id, "last"].map((one) => ({ id: one, stage: 1 }));
    const bytes = broadcastCodec.encode({ ok: true, receipts });
    expect(Buffer.from(bytes)).toEqual(
      Buffer.from(toBinary(ResponseSchema, create(ResponseSchema, { ok: true, receipts }))),
    );
  },
);

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
      const ours = attempt(() => broadcastCodec.decode(bytes));
      const generated = attempt(() => fromBinary(RequestSchema, bytes));
      // Requests accepted by the generated code are decoded alike. Requests that it rejects may have fields that are skipped here.
      expect(typeof generated === "string" ? generated : ours).toEqual(generated);
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
