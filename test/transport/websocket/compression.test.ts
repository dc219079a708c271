import { randomBytes } from "node:crypto";
import { NativeDialect } from "../../../src/dialects/native/dialect.js";
import { getWebSocketEncoding } from "../../../src/transport/websocket/encoding.js";
import { publish } from "../../support/backends/publish.js";
import { connect } from "../../support/clients/native.js";
import { startNode } from "../../support/nodes/node.js";

const CONFIG = { compression: true, limits: { payload: "8MiB", request: "16MiB", receiving: "128MiB" } } as const;

test("L10: does not offer compression by default", async () => {
  const node = await startNode();
  const client = await connect(`${node.ws}/ws`, { perMessageDeflate: true });
  expect(client.webSocket.extensions).toBe("");
});

test("L10: sends compressed and plain clients the same messages, byte for byte", async () => {
  const node = await startNode(CONFIG);
  const compressed = await connect(`${node.ws}/ws?meta=1`, { perMessageDeflate: true });
  const plain = await connect(`${node.ws}/ws?meta=1`);
  expect(compressed.webSocket.extensions).toContain("permessage-deflate");
  await compressed.join("t");
  await plain.join("t");
  const payloads = [
    "",
    "short",
    "long enough to be worth it ".repeat(100),
    "ü🔔".repeat(70_000),
    randomBytes(5_000),
    randomBytes(100_000).toString("hex"),
  ];
  for (const payload of payloads) {
    expect((await publish(node, [{ topics: ["t"], payload }])).ok).toBe(true);
    expect(await compressed.nextText()).toBe(await plain.nextText());
  }
});

test("L10: reads compressed messages, and limits their inflated size", async () => {
  const node = await startNode({ compression: true, limits: { frame: "64KiB" } });
  const client = await connect(`${node.ws}/ws`, { perMessageDeflate: { threshold: 0 } });
  await client.join("t");
  const topics = Array.from({ length: 200 }, (_, position) => `topic-${position}`);
  expect(await client.ask({ command: "join", topics })).toMatchObject({ topic: "@join" });
  client.send({ command: "join", topics: ["x".repeat(10_000_000)] });
  expect((await client.closed).code).toBe(1009);
});

test("L10: declines an offer that asks for a smaller server window, and works uncompressed", async () => {
  const node = await startNode(CONFIG);
  const client = await connect(`${node.ws}/ws`, { perMessageDeflate: { serverMaxWindowBits: 10 } });
  expect(client.webSocket.extensions).toBe("");
  await client.join("t");
  await publish(node, [{ topics: ["t"], payload: "long enough to be worth it ".repeat(100) }]);
  expect((await client.next()).topic).toBe("t");
});

test("O7: shares one encoding, and so the bytes, among compressed connections", () => {
  const dialect = new NativeDialect();
  const [one, other] = [1, 2].map(
    () => dialect.open({ query: new URLSearchParams(), connectionId: "node.1" }).encoding,
  );
  if (one === undefined || other === undefined) throw new Error("no encodings");
  expect(getWebSocketEncoding(one, true)).toBe(getWebSocketEncoding(other, true));
  expect(getWebSocketEncoding(one, true)).not.toBe(getWebSocketEncoding(other, false));
});

test("L10: compresses a frame only if that makes it smaller", () => {
  const { encoding } = new NativeDialect().open({ query: new URLSearchParams(), connectionId: "node.1" });
  const lengths = (payload: Uint8Array): number[] => {
    const message = { id: "m", event: "", sender: "", time: 0, payload };
    const topicText = encoding.topicText("t");
    return [true, false].map(
      (compression) => getWebSocketEncoding(encoding, compression).frame(message, topicText).length,
    );
  };
  const [shorter = 0, long = 0] = lengths(Buffer.from("long enough to be worth it ".repeat(100)));
  expect(shorter).toBeLessThan(long / 10);
  const [same, short] = lengths(Buffer.from("short"));
  expect(same).toBe(short);
  const [noLonger = 0, noise = 0] = lengths(Buffer.from(randomBytes(300).toString("base64")));
  expect(noLonger).toBeLessThanOrEqual(noise);
});
