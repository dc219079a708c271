import { type JsonAnswer, publish, say } from "../../support/backends/publish.js";
import { connect } from "../../support/clients/native.js";
import { startNatsNode } from "../../support/nats/node.js";
import { startNatsProxy } from "../../support/nats/proxy.js";
import { startNats } from "../../support/nats/server.js";

const KIB = 1_024;

describe("E13: a slow NATS server", () => {
  const big = "x".repeat(30 * KIB);

  test("E13: refuses publishes beyond the limit until sent bytes are confirmed", async () => {
    const server = await startNats();
    const proxy = await startNatsProxy(server.port);
    const node = await startNatsNode(proxy.url, { pending: "64KiB", confirm_timeout: "3s" });
    const client = await connect(`${node.ws}/ws`);
    await client.join("foo");

    server.signal("SIGSTOP");
    const sent = [{ topics: ["foo"], payload: big }];
    expect(await publish(node, sent, "PublishAsync")).toMatchObject({ ok: true });
    // This publish times out, but its bytes stay in this process.
    expect(await publish(node, sent)).toMatchObject({ status: 503, code: "unavailable" });
    const behind = {
      status: 429,
      code: "resource_exhausted",
      message: expect.stringMatching(/^broker "nats" is behind: 9\d{4} bytes would be pending, the limit is 65536$/),
    };
    for (let count = 0; count < 5; count += 1) {
      expect(await publish(node, sent)).toMatchObject(behind);
      expect(await publish(node, sent, "PublishAsync")).toMatchObject(behind);
    }
    expect(proxy.count("HPUB")).toBe(2);
    // A small publish still fits, because the limit is in bytes.
    expect(await publish(node, [{ topics: ["foo"], payload: "small" }], "PublishAsync")).toMatchObject({ ok: true });

    server.signal("SIGCONT");
    let answer: JsonAnswer;
    do answer = await publish(node, sent);
    while (answer.ok !== true);
    await say(node, "foo", "end");
    const lengths: number[] = [];
    while (lengths.at(-1) !== 3) lengths.push(String((await client.next()).payload).length);
    expect(lengths.slice(0, 3)).toEqual([big.length, big.length, 5]);
  });

  test("O4: publishes nothing of a request that exceeds the limit", async () => {
    const server = await startNats();
    const node = await startNatsNode(server.url, { pending: "64KiB" });
    const client = await connect(`${node.ws}/ws`);
    await client.join("foo");

    const three = Array.from({ length: 3 }, () => ({ topics: ["foo"], payload: big }));
    expect(await publish(node, three)).toMatchObject({ code: "resource_exhausted" });
    await say(node, "foo", "end");

    expect(await client.next()).toMatchObject({ payload: "end" });
  });
});

test("E15: refuses a request with a payload beyond the limit of NATS, and keeps the connection", async () => {
  const server = await startNats("max_payload: 64KB");
  const node = await startNatsNode(server.url);
  const client = await connect(`${node.ws}/ws`);
  await client.join("foo");

  const answer = await publish(node, [
    { topics: ["foo"], payload: "small" },
    { topics: ["foo"], payload: Buffer.alloc(64 * KIB) },
  ]);
  expect(answer).toMatchObject({
    status: 400,
    code: "invalid_argument",
    message:
      'payload for topic "foo": 65536 bytes plus metadata exceed the 65536 that broker "nats" accepts (max_payload)',
  });
  // The longest possible metadata, and the remaining bytes for the payload.
  const id = "i".repeat(255);
  const event = "e".repeat(255);
  const fits = Buffer.alloc(64 * KIB - 255 - 255 - 100);
  expect(await publish(node, [{ topics: ["foo"], payload: fits, id, event }])).toMatchObject({ ok: true });

  expect(String((await client.next()).payload)).toHaveLength(fits.length);
  expect(client.unread).toEqual([]);
});
