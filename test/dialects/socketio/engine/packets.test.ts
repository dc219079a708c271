import fc from "fast-check";
import { SocketIoDialect } from "../../../../src/dialects/socketio/dialect.js";
import { packetFrames, pollParts, socketIoEncoding } from "../../../../src/dialects/socketio/engine/frames.js";
import { CLIENT_EVENT, packetParser } from "../../../../src/dialects/socketio/engine/parser.js";

interface Decoded {
  readonly type: number;
  readonly nsp: string;
  readonly data?: readonly unknown[];
}

/** Decodes chunks with the library's decoder; "violation" where it throws. */
function decoded(...chunks: readonly unknown[]): Decoded[] | "violation" {
  const { Decoder } = packetParser(1_000);
  const decoder = new Decoder();
  const packets: Decoded[] = [];
  decoder.on("decoded", (packet: Decoded) => packets.push(packet));
  try {
    for (const chunk of chunks) decoder.add(chunk);
  } catch {
    return "violation";
  }
  return packets;
}

/** Encodes a batch for a polling client of Engine.IO 4. */
function pollText(frames: Uint8Array): string {
  return pollParts(frames)
    .map(({ text }) => text)
    .join("\x1e4");
}

const event = (nsp: string, ...data: readonly unknown[]) => [{ type: 2, nsp, data: [CLIENT_EVENT, ...data] }];

const bytes = (length: number): Buffer => Buffer.alloc(length, 7);

test("I14: reads packets, and keeps events as text", () => {
  expect(decoded('2["a",{"b":1}]')).toEqual(event("/", '["a",{"b":1}]', undefined, []));
  expect(decoded('20["a"]')).toEqual(event("/", '["a"]', 0, []));
  expect(decoded('2/shop/eu,12["a"]')).toEqual(event("/shop/eu", '["a"]', 12, []));
  expect(decoded("2no JSON")).toEqual(event("/", "no JSON", undefined, []));
  expect(decoded('51-["a",{"_placeholder":true,"num":0}]', bytes(2))).toEqual(
    event("/", '["a",{"_placeholder":true,"num":0}]', undefined, [bytes(2)]),
  );
  expect(decoded('52-/a,3["a"]', bytes(1), bytes(2))).toEqual(event("/a", '["a"]', 3, [bytes(1), bytes(2)]));
  expect(decoded("0")).toEqual([{ type: 0, nsp: "/", data: undefined }]);
  expect(decoded('0/shop,{"token":"t"}')).toEqual([{ type: 0, nsp: "/shop", data: { token: "t" } }]);
  expect(decoded("0/shop")).toEqual([{ type: 0, nsp: "/shop", data: undefined }]);
  expect(decoded("1/shop,")).toEqual([{ type: 1, nsp: "/shop" }]);
  expect(decoded("31[]", '61-2["a"]', bytes(1), "1")).toEqual([{ type: 1, nsp: "/" }]);
});

test.each([
  ["", []],
  ["7[]", []],
  ["4{}", []],
  ['5["a"]', []],
  ['50-["a"]', []],
  ['511-["a"]', []],
  ['21-["a"]', []],
  ["0[1]", []],
  ["0no", []],
  [`0{"token":"${"x".repeat(16_384)}"}`, []],
  [`0/${"a".repeat(255)},`, []],
  ['2123456789012345678901["a"]', []],
  ['51-["a"]', ['2["b"]']],
  ['52-["a"]', [bytes(600), bytes(600)]],
  [bytes(1), []],
  [undefined, []],
] as const)("I14: treats an invalid packet as a violation (%j)", (first, more) => {
  expect(decoded(first, ...more)).toBe("violation");
});

test("O8: decodes or rejects any text", () => {
  const heads = fc.constantFrom("0", "1", "2", "3", "4", "5", "6", "51-", "2/a,", "20");
  fc.assert(
    fc.property(fc.tuple(heads, fc.string({ unit: "binary" })), ([head, text]) => {
      const packets = decoded(head + text);
      expect(packets === "violation" || packets.length <= 1).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});

test("I15: converts any batch of frames to the same packets for polling clients", () => {
  const attachment = fc
    .uint8Array({ minLength: 1, maxLength: 300 })
    .map((raw) => `\x1eb${Buffer.from(raw).toString("base64")}`);
  const packet = fc
    .tuple(
      fc.json({ depthSize: "large" }),
      fc.constantFrom("", "x".repeat(126), "x".repeat(70_000)),
      fc.option(attachment),
    )
    .map(([json, filler, attached]) => `42["e",${json},"${filler}"]${attached ?? ""}`);
  fc.assert(
    fc.property(fc.array(packet, { minLength: 1, maxLength: 5 }), (texts) => {
      const frames = Buffer.concat(texts.map(packetFrames));
      expect(pollText(frames)).toBe(texts.join("\x1e").slice(1));
    }),
    { numRuns: 200 },
  );
});

test("O7: shares frames among the sockets of a namespace only", () => {
  const dialect = new SocketIoDialect();
  const encodingOf = (namespace: string) =>
    socketIoEncoding(
      dialect.open({ query: new URLSearchParams(), connectionId: `${namespace}.1`, namespace }).encoding,
    );
  const encodeIn = (namespace: string, payload: Uint8Array) =>
    encodingOf(namespace).frame({ id: "1", event: "e", sender: "", time: 0, payload }, "");
  expect(encodingOf("/shop")).toBe(encodingOf("/shop"));
  expect(encodingOf("/shop")).not.toBe(encodingOf("/"));
  const frames = encodeIn("/", Buffer.from("1"));
  expect(pollText(frames)).toBe('2["e",1]');
  const text = encodeIn("/shop", Uint8Array.of(255));
  expect(pollText(text)).toBe('51-/shop,["e",{"_placeholder":true,"num":0}]\x1eb/w==');
});
