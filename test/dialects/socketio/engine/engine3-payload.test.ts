import fc from "fast-check";
import { type EnginePacket, engine3Payload } from "../../../../src/dialects/socketio/engine/engine3-payload.js";

/** Decodes the packets of a payload; "too many" if it is refused as a whole. */
function decoded(payload: string | Buffer, maxPackets = 100): EnginePacket[] | "too many" {
  const packets: EnginePacket[] = [];
  let tooMany = false;
  const codec = engine3Payload(maxPackets, () => {
    tooMany = true;
  });
  codec.decodePayload(payload, (packet) => packets.push(packet));
  return tooMany ? "too many" : packets;
}

function encoded(packets: readonly EnginePacket[], supportsBinary: boolean): string | Buffer {
  let result: string | Buffer = "";
  engine3Payload(100, () => {}).encodePayload(packets, supportsBinary, (payload) => {
    result = payload;
  });
  return result;
}

const MALFORMED = [{ type: "error", data: "parser error" }];

/** Returns the data of a packet, parsed if it is JSON text. */
function read({ data, type }: EnginePacket): unknown {
  return typeof data === "string" && type === "message" ? JSON.parse(data) : data;
}

/** JSON text, in which characters beyond the Basic Multilingual Plane occur in strings only, as in all packets. */
const texts = fc.string({ unit: "binary", minLength: 1 }).map((text) => JSON.stringify(text));
const bytes = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((raw) => Buffer.from(raw));
const packets = fc.array(
  fc.oneof(
    fc.oneof(texts, bytes).map((data) => ({ type: "message", data })),
    fc.constantFrom({ type: "ping" }, { type: "pong", data: "probe" }, { type: "noop" }),
  ),
  { minLength: 1, maxLength: 10 },
);

test.each([true, false])("I18: decodes what it encodes, as bytes or text (%s)", (supportsBinary) => {
  fc.assert(
    fc.property(packets, (all) => {
      const values = decoded(encoded(all, supportsBinary));
      if (values === "too many") throw new Error("too many");
      expect(values.map(read)).toEqual(all.map(read));
      expect(values.map(({ type }) => type)).toEqual(all.map(({ type }) => type));
    }),
    { numRuns: 300 },
  );
});

test("O8: never throws on a payload, and decodes a malformed one completely or not at all", () => {
  const payloads = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.uint8Array().map((raw) => Buffer.from(raw)),
    packets.map((all) => encoded(all, true)),
    fc.tuple(packets, fc.nat()).map(([all, at]) => {
      const payload = encoded(all, false);
      return payload.slice(0, at % (payload.length + 1));
    }),
  );
  fc.assert(
    fc.property(payloads, (payload) => {
      const values = decoded(payload);
      expect(values === "too many" || values.length > 0).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});

test("O6: decodes no packet of a request with too many", () => {
  expect(decoded("1:2".repeat(5), 5)).toHaveLength(5);
  expect(decoded("1:2".repeat(6), 5)).toBe("too many");
  expect(decoded(Buffer.from("0001ff32".repeat(6), "hex"), 5)).toBe("too many");
  expect(decoded("1:21:21:9", 5)).toEqual(MALFORMED);
});

test("I18: writes lengths that all clients count alike", () => {
  expect(encoded([{ type: "message", data: '2["😀é"]' }], false)).toBe('19:42["\\ud83d\\ude00é"]');
});

test("I18: stops reading when the receiver returns false", () => {
  const types: string[] = [];
  engine3Payload(10, () => {}).decodePayload("1:21:11:3", ({ type }) => {
    types.push(type);
    return type !== "close";
  });
  expect(types).toEqual(["ping", "close"]);
});
