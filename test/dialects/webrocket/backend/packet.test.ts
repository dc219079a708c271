import fc from "fast-check";
import {
  MalformedPacket,
  type Packet,
  PacketReader,
  packetText,
} from "../../../../src/dialects/webrocket/backend/packet.js";
import { packet } from "./support.js";

/** Reads all packets of these chunks. */
function read(chunks: readonly Uint8Array[], limit = 1_000): Packet[] {
  const reader = new PacketReader(limit);
  const packets: Packet[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let next = reader.next(); next !== undefined; next = reader.next()) packets.push(next);
  }
  return packets;
}

function readText(text: string, limit?: number): Packet[] {
  return read([Buffer.from(text)], limit);
}

const line = fc.string({ unit: "grapheme", maxLength: 20 }).map((text) => text.replace(/[\r\n]/g, "."));

test("X13: reads packets in any segments", () => {
  const packets = fc.array(
    fc.record({
      identity: line,
      command: line.filter((text) => text !== ""),
      frames: fc.array(line, { maxLength: 5 }),
    }),
    { maxLength: 5 },
  );
  fc.assert(
    fc.property(packets, fc.array(fc.nat(50), { maxLength: 20 }), (said, cuts) => {
      let rest = Buffer.from(
        said.map(({ command, frames, identity }) => packet(identity, command, ...frames)).join(""),
      );
      const chunks: Uint8Array[] = [];
      for (const cut of cuts) {
        chunks.push(Uint8Array.from(rest.subarray(0, cut)));
        rest = rest.subarray(cut);
      }
      expect(read([...chunks, rest])).toEqual(said);
    }),
  );
});

test("X13: accepts a last line without its end, and empty frames", () => {
  const packets = [{ identity: "i", command: "C", frames: ["a"] }];
  expect(readText("i\n\nC\na\r\n\r\n")).toEqual(packets);
  expect(readText("i\n\nC\na\n\r\n\r\n")).toEqual(packets);
  expect(readText("i\n\nC\na\n\n\r\n\r\n")).toEqual([{ identity: "i", command: "C", frames: ["a", ""] }]);
  expect(readText("i\n\nC\n\r\n\r")).toEqual([]);
});

test.each([
  ["an empty command", "i\n\n\n\r\n\r\n"],
  ["nothing", "\r\n\r\n"],
  ["too many lines", `i\n\nC\n${"a\n".repeat(14)}\r\n\r\n`],
])("X13: rejects a malformed packet: %s", (_, text) => {
  expect(() => readText(text)).toThrow(MalformedPacket);
});

test("X13: reads the maximum number of lines", () => {
  expect(readText(`i\n\nC\n${"a\n".repeat(13)}\r\n\r\n`)).toHaveLength(1);
});

test("X13: rejects bytes that are not UTF-8", () => {
  expect(() => read([Buffer.from("i\n\nC\n\xff\n\r\n\r\n", "latin1")])).toThrow(MalformedPacket);
});

test("X13: rejects a packet beyond the limit, before it is complete or at once", () => {
  const fits = `i\n\nC\n${"a".repeat(95)}`;
  expect(readText(`${fits}\r\n\r\n`, 100)).toHaveLength(1);
  expect(() => readText(`${fits}a\r\n\r\n`, 100)).toThrow(MalformedPacket);
  expect(() => readText(`${fits}aa`, 100)).toThrow(MalformedPacket);
});

test("X14: reads a packet without an identity by its command", () => {
  expect(readText("HB\n\r\n\r\nQT\n\n\r\n\r\nC\na\n\nb\n\r\n\r\n")).toEqual([
    { identity: undefined, command: "HB", frames: [] },
    { identity: undefined, command: "QT", frames: [""] },
    { identity: undefined, command: "C", frames: ["a", "", "b"] },
  ]);
});

test("X14: knows the first line before the packet is complete, and cuts it beyond the longest identity", () => {
  const reader = new PacketReader(100_000);
  reader.push(Buffer.from("ident"));
  expect(reader.firstLine()).toBeUndefined();
  reader.push(Buffer.from("ity\nand"));
  expect(reader.firstLine()).toBe("identity");
  const endless = new PacketReader(100_000);
  endless.push(Buffer.alloc(511, "a"));
  expect(endless.firstLine()).toBeUndefined();
  endless.push(Buffer.from("a"));
  expect(endless.firstLine()).toBe("a".repeat(512));
});

test("X13: reads a large packet in small pieces in linear time", () => {
  const reader = new PacketReader(4_000_000);
  const bytes = Buffer.from(`i\n\nC\n${"a".repeat(2_000_000)}\n\r\n\r\n`);
  let found: Packet | undefined;
  const begin = performance.now();
  // Copying all bytes for each chunk would copy 200 GB, and take most of a minute.
  for (let at = 0; at < bytes.length; at += 10) {
    reader.push(bytes.subarray(at, at + 10));
    found = reader.next();
  }
  expect(found?.frames[0]?.length).toBe(2_000_000);
  expect(performance.now() - begin).toBeLessThan(10_000);
});

test("X13: writes packets with a second line, empty without frames", () => {
  expect(packetText("ER", "402")).toBe("ER\n402\n\r\n\r\n");
  expect(packetText("OK")).toBe("OK\n\n\r\n\r\n");
  expect(packetText("TR", "a", "b")).toBe("TR\na\nb\n\r\n\r\n");
});
